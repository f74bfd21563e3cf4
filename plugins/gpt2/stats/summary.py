"""Numbers of the last day, from the sums by hour of what was counted. Pure arithmetic.

Models are never mixed: a median over two of them would be the speed of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from townhall_bot.store import HourSum, Record, Spread, joined
from townhall_bot.store.sums import HOUR_S

DAY_S = 86_400.0
SPANS_H = (1, 3, 6, 12, 24)
KIND = "request"
"""The kind of record that each request leaves."""
DOTS = 600
"""How many requests the picture shows one by one, at most about."""


@dataclass(frozen=True, slots=True)
class Point:
    """One request: its model; when, in hours before now; its speed (None where none was timed) and its wait."""

    model: str
    hours_ago: float
    tokens_per_s: float | None
    waited_s: float


@dataclass(frozen=True, slots=True)
class ModelDay:
    """One model's day. Medians are None where nothing was measured; ``speeds`` and ``waits`` are each hour's median.

    Those are pairs of (middle of the hour in hours before now, tokens a second or seconds), oldest first.
    """

    model: str
    requests: int
    median_tokens_per_s: float | None
    best_tokens_per_s: float | None
    median_wait_s: float | None
    longest_wait_s: float | None
    median_first_token_s: float | None
    speeds: tuple[tuple[float, float], ...]
    waits: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Day:
    """A day in numbers: all models' requests and tokens, each model's own speed, and some requests to draw."""

    requests: int
    here: int
    tokens: int
    models: tuple[ModelDay, ...]
    points: tuple[Point, ...]


def sum_up(hours: Sequence[HourSum], sample: Sequence[Record], *, here: int, now: float) -> Day:
    """Sum up a day. ``sample`` are requests to draw, ``here`` how many one server had, ``now`` is Unix time."""
    models = [_model(name, [hour for hour in hours if hour.label == name], now) for name in _names(hours)]
    tokens = joined(hour.numbers["tokens"] for hour in hours)
    points = tuple(
        Point(
            model=record.label,
            hours_ago=(now - record.at.timestamp()) / HOUR_S,
            tokens_per_s=record.numbers["tok_s"] or None,
            waited_s=record.numbers["queue_s"],
        )
        for record in sample
    )
    return Day(
        requests=tokens.count,
        here=here,
        tokens=round(tokens.total),
        models=tuple(sorted(models, key=lambda model: (-model.requests, model.model))),
        points=points,
    )


def span_h(points: Sequence[Point]) -> int:
    """Return how many hours a picture of ``points`` has to show: the least of :data:`SPANS_H` that holds them all."""
    oldest = max((point.hours_ago for point in points), default=0.0)
    return next((span for span in SPANS_H if oldest <= span), SPANS_H[-1])


def _names(hours: Sequence[HourSum]) -> list[str]:
    return list(dict.fromkeys(hour.label for hour in hours))


def _model(name: str, hours: Sequence[HourSum], now: float) -> ModelDay:
    speed = joined(hour.numbers["tok_s"] for hour in hours).without_zero()  # 0: a text of one token has none
    wait = joined(hour.numbers["queue_s"] for hour in hours)
    first = joined(hour.numbers["first_token_s"] for hour in hours).without_zero()  # 0: it ended before its first
    return ModelDay(
        model=name,
        requests=wait.count,
        median_tokens_per_s=speed.median,
        best_tokens_per_s=speed.most,
        median_wait_s=wait.median,
        longest_wait_s=wait.most,
        median_first_token_s=first.median,
        speeds=_medians([(hour.hour, hour.numbers["tok_s"].without_zero()) for hour in hours], now),
        waits=_medians([(hour.hour, hour.numbers["queue_s"]) for hour in hours], now),
    )


def _medians(hours: Sequence[tuple[int, Spread]], now: float) -> tuple[tuple[float, float], ...]:
    result = []
    for hour, spread in hours:
        begin, end = hour * HOUR_S, min(now, (hour + 1) * HOUR_S)  # the last one still runs
        if (median := spread.median) is not None:
            result.append(((now - (begin + end) / 2) / HOUR_S, median))
    return tuple(result)
