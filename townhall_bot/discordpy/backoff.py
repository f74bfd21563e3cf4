"""How long to wait before something that failed for a moment is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import uniform


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter: ``attempts`` in all, between them pauses of at most ``longest`` seconds.

    The n-th pause is drawn from 0 to ``first`` · 2ⁿ seconds, so that those who failed together do not come back
    together (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """

    first: float
    longest: float
    attempts: int

    def pauses(self, draw: Callable[[float, float], float] | None = None) -> Iterator[float]:
        """Yield the seconds before each further attempt; ``draw`` chooses between two bounds, evenly by default."""
        draw = draw or uniform
        for number in range(self.attempts - 1):
            yield draw(0.0, min(self.longest, self.first * 2**number))
