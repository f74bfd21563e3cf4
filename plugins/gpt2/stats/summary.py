"""Numbers of the last day, from what was counted of each request. Pure arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from townhall_bot.store import Record

DAY_S = 86_400.0
SPANS_H = (1, 3, 6, 12, 24)
KIND = "request"
"""The kind of record that each request leaves."""


@dataclass(frozen=True, slots=True)
class Point:
    """One request: when, in hours before now; its speed (None where one token or none was timed) and its wait."""

    hours_ago: float
    tokens_per_s: float | None
    waited_s: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day in numbers. Medians are None where nothing was measured."""

    requests: int
    here: int
    tokens: int
    median_tokens_per_s: float | None
    best_tokens_per_s: float | None
    median_wait_s: float | None
    longest_wait_s: float | None
    median_first_token_s: float | None
    points: tuple[Point, ...]


def sum_up(records: Sequence[Record], *, guild_id: int | None, now: float) -> Day:
    """Sum up a day's records; ``now`` is Unix time, ``guild_id`` the server that "here" means."""
    points = tuple(
        Point(
            hours_ago=(now - record.at.timestamp()) / 3600,
            tokens_per_s=record.numbers["tok_s"] or None,
            waited_s=record.numbers["queue_s"],
        )
        for record in records
    )
    speeds = [point.tokens_per_s for point in points if point.tokens_per_s is not None]
    waits = [point.waited_s for point in points]
    first = [record.numbers["first_token_s"] for record in records if record.numbers["tokens"]]
    return Day(
        requests=len(records),
        here=sum(record.guild_id == guild_id for record in records),
        tokens=round(sum(record.numbers["tokens"] for record in records)),
        median_tokens_per_s=_median(speeds),
        best_tokens_per_s=max(speeds, default=None),
        median_wait_s=_median(waits),
        longest_wait_s=max(waits, default=None),
        median_first_token_s=_median(first),
        points=points,
    )


def span_h(points: Sequence[Point]) -> int:
    """Return how many hours a picture of ``points`` has to show: the least of :data:`SPANS_H` that holds them all."""
    oldest = max((point.hours_ago for point in points), default=0.0)
    return next((span for span in SPANS_H if oldest <= span), SPANS_H[-1])


def hourly(values: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the median of each hour as (middle of the hour in hours ago, value), from (hours ago, value) pairs."""
    hours: dict[int, list[float]] = {}
    for hours_ago, value in values:
        hours.setdefault(int(hours_ago), []).append(value)
    return [(hour + 0.5, statistics.median(hours[hour])) for hour in sorted(hours, reverse=True)]


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
