"""What the engine must reach, and whether it does: each bar computed from measured results, never typed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import table

Result = dict[str, Any]
"""One JSON line of a measuring program; ``kind`` says of which."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the issue's table. ``at_most`` tells that less is better.

    ``value`` is None where it was not measured, and so are ``bar`` and ``aim`` where they hang on a measured size.
    """

    work: str
    unit: str
    bar: float | None
    aim: float | None
    value: float | None
    at_most: bool = False
    digits: int = 2

    @property
    def verdict(self) -> str:
        """Return "aim", "bar", "missed" or "not measured"."""
        if self.value is None:
            return "not measured"
        sign = -1 if self.at_most else 1
        for name, limit in (("aim", self.aim), ("bar", self.bar)):
            if limit is not None and sign * self.value >= sign * limit:
                return name
        return "missed"

    def to_json(self) -> dict[str, Any]:
        """Return what a result line holds of it."""
        return asdict(self) | {"verdict": self.verdict}

    def row(self) -> list[str]:
        """Return the cells of the table."""
        shown = [
            "–" if number is None else f"{number:.{self.digits}f}{self.unit}"
            for number in (self.bar, self.aim, self.value)
        ]
        at = "≤ " if self.at_most else "≥ "
        limits = [text if text == "–" else at + text for text in shown[:2]]
        return [self.work, *limits, shown[2], self.verdict]


def bars_table(bars: Sequence[Bar]) -> str:
    """Return the bars as a Markdown table."""
    return table(["work", "bar", "aim", "measured", "reached"], [bar.row() for bar in bars])


def bars_of(results: Sequence[Result]) -> list[Bar]:
    """Return every bar, the last result of each kind and model being the one that counts."""
    return [*_beside_peers(results), *_quality_and_guesses(results), *_of_our_own(results)]


def _beside_peers(results: Sequence[Result]) -> list[Bar]:
    small, medium, large = (_Compared(results, model) for model in ("gpt2", "gpt2-medium", "gpt2-large"))
    ct2 = "ctranslate2-int8"
    return [
        Bar(
            "gpt2, prefill of 256, 8-bit, × llama.cpp Q8_0",
            *("×", 2.0, 2.4),
            small.times("townhall-int8", *Q8_0, name="prefill_ms", key="256"),
        ),
        *(
            Bar(
                f"gpt2, prefill of {tokens}, 8-bit, × CTranslate2 int8",
                *("×", 1.0, 1.3),
                small.times("townhall-int8", ct2, name="prefill_ms", key=tokens),
            )
            for tokens in ("256", "768")
        ),
        Bar(
            "gpt2, 8 streams, 8-bit, × the better of llama.cpp Q8_0 and CTranslate2 int8",
            *("×", 2.5, 3.0),
            small.times("townhall-int8", *Q8_0, ct2, key="8") if small.has(Q8_0[0], ct2) else None,
        ),
        Bar("gpt2, 1 stream, 8-bit, × llama.cpp Q8_0", "×", 1.44, 1.6, small.times("townhall-int8", *Q8_0)),
        Bar("gpt2, 1 stream, 16-bit, × llama.cpp F16", "×", 1.3, 1.6, small.times("townhall-fp16", "llama-cpp-f16")),
        Bar("gpt2-medium, 1 stream, 8-bit, × llama.cpp Q8_0", "×", 1.3, 1.6, medium.times("townhall-int8", *Q8_0)),
        Bar("gpt2-large, 1 stream, 4-bit, × llama.cpp Q4_0", "×", 1.2, 1.5, large.times("townhall-int4", *Q4_0)),
        Bar("gpt2-large, 1 stream, 4-bit, × our 8-bit", "×", 1.6, 1.8, large.times("townhall-int4", "townhall-int8")),
    ]


def _quality_and_guesses(results: Sequence[Result]) -> list[Bar]:
    plain = _quality(results, "townhall-mini")
    return [
        Bar("8-bit against fp32, mean KL", " nats", 0.0003, 0.0002, _of(plain, "mean_kl"), at_most=True, digits=5),
        Bar(
            "the same of a twin with outliers (bench.outliers)",
            *(" nats", 0.0008, 0.0006, _of(_quality(results, "twin"), "mean_kl")),
            at_most=True,
            digits=5,
        ),
        Bar("8-bit against fp32, same top token", " %", 98.7, 99, _of(plain, "same_top_percent"), digits=2),
        Bar(
            "greedy text that repeats itself, guessing",
            "×",
            1.5,
            2.0,
            _guessing(results, "greedy, no repetition penalty"),
        ),
        Bar("as members ask (temperature 0.8), guessing", "×", 1.0, 1.1, _guessing(results, MEMBERS)),
        Bar("as members ask, with a draft model", "×", 1.3, 1.6, _guessing(results, f"{MEMBERS}, with a draft")),
    ]


def _of_our_own(results: Sequence[Result]) -> list[Bar]:
    """Return the bars of time, memory and lag, which are of Townhall alone or of what runs beside it."""
    small, medium = (_Compared(results, model) for model in ("gpt2", "gpt2-medium"))
    start = small.get("townhall-int8", "first_token_ms")
    kept, peak = (medium.get("townhall-int8", name) for name in ("weight_bytes", "peak_bytes"))
    far, near = (small.get("townhall-int8", "context_ms", key) for key in ("1000", "16"))
    lag, busy = _last(results, "event_loop_lag"), _last(results, "busy").get("step_ms", {})
    return [
        Bar("gpt2, 8-bit, step at context 1,000 over 16", "×", 1.25, 1.15, _ratio(far, near), at_most=True),
        Bar(
            "gpt2, 8-bit, second start to first token",
            *(" s", 0.75, 0.5, None if start is None else start / 1000),
            at_most=True,
        ),
        Bar(
            "gpt2, 8-bit, a step beside busy cores, × llama.cpp Q8_0's",
            *("×", 1.0, 1.5),
            _ratio(*(busy.get(peer, {}).get("busy_1") for peer in (Q8_0[0], "townhall-int8"))),
        ),
        Bar(
            "gpt2-medium, 8-bit, peak memory: weights × 1.3 + 300 MB, aim × 1.1 + 200 MB",
            " MB",
            None if kept is None else kept / 1e6 * 1.3 + 300,
            None if kept is None else kept / 1e6 * 1.1 + 200,
            None if peak is None else peak / 1e6,
            at_most=True,
            digits=0,
        ),
        Bar("event-loop lag while 8 streams generate, p99", " ms", 20, 5, _of(lag, "p99_ms"), at_most=True, digits=1),
    ]


Q8_0 = ("llama-cpp-q8_0", "llama-cpp-q8_0-repacked")
"""llama.cpp without and with its repacking of weights: the better counts, where both were measured."""
Q4_0 = ("llama-cpp-q4_0", "llama-cpp-q4_0-repacked")
MEMBERS = "as members ask (temperature 0.8)"


class _Compared:
    """The medians of one model's last comparison."""

    def __init__(self, results: Sequence[Result], model: str) -> None:
        mine = [result for result in results if result["kind"] == "compare" and result["model"] == model]
        self._peers: dict[str, Any] = mine[-1]["medians"] if mine else {}

    def has(self, *peers: str) -> bool:
        """Whether all were measured: the better of some would be a lower bar than the better of all."""
        return set(peers) <= self._peers.keys()

    def get(self, peer: str, name: str, key: str | None = None) -> float | None:
        found = self._peers.get(peer, {}).get(name)
        found = found.get(key) if key is not None and found is not None else found
        return None if found is None else float(found)

    def times(self, ours: str, *theirs: str, name: str = "decode_ms", key: str = "1") -> float | None:
        """Return how many times faster ``ours`` is than the fastest of theirs that was measured."""
        return _ratio(_least(*(self.get(peer, name, key) for peer in theirs)), self.get(ours, name, key))


def _quality(results: Sequence[Result], model: str) -> Result:
    mine = (it for it in reversed(results) if it["kind"] == "quality" and it["model"] == model)
    return next((it for it in mine if it["weights"] == "int8"), {})


def _guessing(results: Sequence[Result], kind: str) -> float | None:
    rates = _last(results, "reuse").get("guesses", {}).get(kind, {})
    return _ratio(rates.get("with_tok_s"), rates.get("without_tok_s"))


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def _least(*values: float | None) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _last(results: Sequence[Result], kind: str) -> Result:
    return next((result for result in reversed(results) if result["kind"] == kind), {})


def _of(result: Result, name: str) -> float | None:
    return float(result[name]) if name in result else None
