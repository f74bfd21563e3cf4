"""What a measuring process is asked, and what it answers: one JSON object each way. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

PARTS = ("decode", "prefill", "context")
"""What can be measured after the start, which is always timed."""
SPARE = 4
"""Positions that warm-up takes of a model's context."""


@dataclass(frozen=True, slots=True)
class Job:
    """One process's work. ``began`` is ``time.monotonic()`` when the process was asked for."""

    path: str
    weights: str
    threads: int
    began: float = 0.0
    parts: tuple[str, ...] = PARTS
    streams: tuple[int, ...] = (1, 4, 8)
    prompt: int = 16
    """Tokens of the prompt before decoding, and of the first token's prompt."""
    steps: int = 64
    prefills: tuple[int, ...] = (16, 256, 768)
    contexts: tuple[int, ...] = (16, 128, 256, 512, 1000)
    context_steps: int = 16
    vocabulary: int = 50257

    def at(self, path: str, parts: tuple[str, ...] | None = None) -> Self:
        """Return the same job for the model in ``path``, with other ``parts`` where they are given."""
        return replace(self, path=path, parts=self.parts if parts is None else parts)

    def within(self, positions: int) -> Self:
        """Return the job without what does not fit into a model's ``positions``."""
        return replace(
            self,
            steps=min(self.steps, positions - self.prompt - SPARE),
            prefills=tuple(length for length in self.prefills if length <= positions),
            contexts=tuple(context for context in self.contexts if context + self.context_steps <= positions),
        )

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        given: dict[str, Any] = json.loads(line)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
        }
        return cls(**values)


@dataclass(slots=True)
class Outcome:
    """What one process measured. Times in ms; keys of the dictionaries are streams, prompt tokens and positions."""

    version: str
    weight_bytes: int
    load_ms: float
    first_token_ms: float
    """From the moment the process was asked for to its first new token: interpreter, imports and load included."""
    start_peak_bytes: int
    """Most memory until the first token."""
    peak_bytes: int = 0
    decode_ms: dict[str, float] = field(default_factory=dict)
    """Median of one step, which makes one token in every stream."""
    prefill_ms: dict[str, float] = field(default_factory=dict)
    context_ms: dict[str, float] = field(default_factory=dict)
    """Median of one step of one stream, around the position that is the key."""

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_output(cls, lines: Sequence[str]) -> Self:
        """Read the last line of a process's output. Raises ValueError where there is none."""
        if not lines:
            raise ValueError("the process printed nothing")
        return cls(**json.loads(lines[-1]))
