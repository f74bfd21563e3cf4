"""What is not to be said again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable

REMEMBERED = 1000


class Seldom:
    """Lets each of many do something once in so many ``seconds``, by ``clock``."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[Hashable, float] = {}

    def may(self, who: Hashable) -> bool:
        """Tell whether it may be done for ``who`` now, and count that as done."""
        now, last = self._clock(), self._last.get(who)
        if last is not None and now - last < self._seconds:
            return False
        self._last.pop(who, None)
        self._last[who] = now
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        return True
