"""Whose requests a model fails on, to tell a broken model from one member's requests that it cannot take."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Set

STEPS = 3
"""After so many failing steps for different askers, without a finished request in between, the model is at fault."""
REFUSED_S = 600.0
"""For so long an asker is refused, after as many failing steps of their own within that time."""


KEPT = 20
"""Of how many failing steps in a row the askers are remembered."""


class Failures:
    """Counts failing steps by asker. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.in_a_row = 0
        self._askers: list[Set[Hashable]] = []
        self._own: dict[Hashable, list[float]] = {}

    def finished(self, asker: Hashable) -> None:
        """Note a request that came to its end: the model works, and works for this asker."""
        self.in_a_row = 0
        self._askers.clear()
        self._own.pop(asker, None)

    def failed(self, askers: Set[Hashable]) -> bool:
        """Note a step that failed for all these askers at once; return whether the model is at fault."""
        self.in_a_row += 1
        self._askers = [*self._askers, askers][-KEPT:]
        common = set.intersection(*map(set, self._askers))
        suspect = askers if len(askers) == 1 else common
        now = self._clock()
        self._own = {asker: recent for asker, times in self._own.items() if (recent := _since(times, now - REFUSED_S))}
        if len(suspect) == 1:
            self._own.setdefault(next(iter(suspect)), []).append(now)
        # Where one asker was part of every failing step, it may be what they ask for.
        return len(common) != 1 and self._different() >= STEPS

    def refused_for(self, asker: Hashable) -> float:
        """Return for how many seconds an asker has to wait whose own requests failed again and again; 0 for others."""
        own = self._own.get(asker, [])
        return max(0.0, own[-STEPS] + REFUSED_S - self._clock()) if len(own) >= STEPS else 0.0

    def _different(self) -> int:
        """Return how many different askers the failing steps in a row had, one for each step."""
        seen = set[Hashable]()
        for askers in self._askers:
            seen.update(sorted(askers - seen, key=repr)[:1])
        return len(seen)


def _since(times: list[float], begin: float) -> list[float]:
    return [at for at in times if at > begin][-STEPS:]
