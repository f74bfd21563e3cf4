"""How long things take: from the speeds measured so far, when the next place is free and when a request's turn comes.

Pure arithmetic on seconds. Counts are what was asked for, so a text that ends early only makes the wait shorter.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

FIRST_GUESS_S = 10.0
"""How long a request is taken to run before one was measured."""
WEIGHT = 0.25
"""How much the latest measurement counts against those before."""


@dataclass(frozen=True, slots=True)
class Work:
    """One request: the tokens it asked for, and for how many seconds it has been running (0 where it waits)."""

    model: str
    count: int
    running_s: float = 0.0


class Pace:
    """Remembers each model's seconds per token, prompt included, as the requests of late had it."""

    def __init__(self) -> None:
        self._seconds_per_token: dict[str, float] = {}

    def note(self, model: str, tokens: int, seconds: float) -> None:
        """Take a finished request into account: ``tokens`` new ones within ``seconds`` since it began to run."""
        if tokens < 1 or seconds <= 0:
            return
        latest, before = seconds / tokens, self._seconds_per_token.get(model)
        self._seconds_per_token[model] = latest if before is None else before + (latest - before) * WEIGHT

    def expect(self, model: str, seconds_per_token: float) -> None:
        """Take what loading the model measured, until a request has told more."""
        self._seconds_per_token.setdefault(model, seconds_per_token)

    def known(self, model: str) -> bool:
        """Tell whether anything of the model was measured."""
        return model in self._seconds_per_token

    def left(self, work: Work) -> float:
        """Return the seconds until ``work`` is likely to end, once it runs; never less than one token's."""
        each = self._seconds_per_token.get(work.model)
        if each is None:
            return max(1.0, FIRST_GUESS_S - work.running_s)
        return max(each, each * work.count - work.running_s)

    def starts(self, running: Sequence[Work], waiting: Sequence[Work], rows: int) -> list[float]:
        """Return in how many seconds each of ``waiting`` begins, in their order, with ``rows`` places in all."""
        ends = [self.left(work) for work in running]
        ends += [0.0] * max(0, rows - len(ends))
        heapq.heapify(ends)
        begins = []
        for work in waiting:
            begins.append(ends[0])
            heapq.heapreplace(ends, ends[0] + self.left(work))
        return begins
