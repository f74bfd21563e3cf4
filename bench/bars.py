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
    small, medium = _Compared(results, "gpt2"), _Compared(results, "gpt2-medium")
    ours16 = _least(small.get("townhall-fp16", "decode_ms", "1"), small.get("townhall-bf16", "decode_ms", "1"))
    best8 = _least(small.get("llama-cpp-q8_0", "decode_ms", "8"), small.get("ctranslate2-int8", "decode_ms", "8"))
    start = small.get("townhall-int8", "first_token_ms")
    kept, peak = (medium.get("townhall-int8", name) for name in ("weight_bytes", "peak_bytes"))
    far, near = (small.get("townhall-int8", "context_ms", key) for key in ("1000", "16"))
    lag, quality = _last(results, "event_loop_lag"), _last(results, "quality")
    return [
        Bar("gpt2, 1 stream, 8-bit, × llama.cpp Q8_0", "×", 1.3, 1.8, small.times("townhall-int8", "llama-cpp-q8_0")),
        Bar(
            "gpt2, 1 stream, 16-bit, × llama.cpp F16",
            "×",
            1.3,
            1.6,
            _ratio(small.get("llama-cpp-f16", "decode_ms", "1"), ours16),
        ),
        Bar(
            "gpt2, 8 streams, 8-bit, × the better of llama.cpp Q8_0 and CTranslate2 int8",
            "×",
            1.0,
            1.5,
            _ratio(best8, small.get("townhall-int8", "decode_ms", "8")) if small.has_both_int8 else None,
        ),
        Bar(
            "gpt2-medium, 1 stream, 8-bit, × llama.cpp Q8_0",
            "×",
            1.3,
            1.6,
            medium.times("townhall-int8", "llama-cpp-q8_0"),
        ),
        Bar(
            "gpt2, prefill of 256 tokens, 8-bit, × llama.cpp Q8_0",
            "×",
            0.5,
            1.0,
            small.times("townhall-int8", "llama-cpp-q8_0", "prefill_ms", "256"),
        ),
        Bar(
            "gpt2, 8-bit, second start to first token",
            " s",
            2.0,
            0.8,
            None if start is None else start / 1000,
            at_most=True,
        ),
        Bar("gpt2, 8-bit, step at context 1,000 over 16", "×", 1.6, 1.25, _ratio(far, near), at_most=True),
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
        Bar("8-bit against fp32, mean KL", " nats", 0.01, 0.002, _of(quality, "mean_kl"), at_most=True, digits=4),
        Bar("8-bit against fp32, same top token", " %", 97, 99, _of(quality, "same_top_percent"), digits=1),
    ]


class _Compared:
    """The medians of one model's last comparison."""

    def __init__(self, results: Sequence[Result], model: str) -> None:
        mine = [result for result in results if result["kind"] == "compare" and result["model"] == model]
        self._peers: dict[str, Any] = mine[-1]["medians"] if mine else {}

    @property
    def has_both_int8(self) -> bool:
        """Whether both peers of the 8-stream bar were measured: the better of one would be a lower bar."""
        return {"llama-cpp-q8_0", "ctranslate2-int8"} <= self._peers.keys()

    def get(self, peer: str, name: str, key: str | None = None) -> float | None:
        found = self._peers.get(peer, {}).get(name)
        found = found.get(key) if key is not None and found is not None else found
        return None if found is None else float(found)

    def times(self, ours: str, theirs: str, name: str = "decode_ms", key: str = "1") -> float | None:
        """Return how many times faster ``ours`` is."""
        return _ratio(self.get(theirs, name, key), self.get(ours, name, key))


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def _least(*values: float | None) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _last(results: Sequence[Result], kind: str) -> Result:
    return next((result for result in reversed(results) if result["kind"] == kind), {})


def _of(result: Result, name: str) -> float | None:
    return float(result[name]) if name in result else None
