"""Time and ids. The clock is injectable, so that tests reach the 15-minute limit without waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Seconds since the Unix epoch, as ``time.time`` gives them."""

DISCORD_EPOCH_MS = 1_420_070_400_000
"""The first millisecond of 2015, where snowflakes begin (Discord API reference, "Snowflakes")."""


class ManualClock:
    """A clock that stands still until a test moves it. It starts now: clients read the time out of ids."""

    def __init__(self, start: float | None = None) -> None:
        self.now = time.time() if start is None else start

    def __call__(self) -> float:
        """Return the time it shows."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += seconds


class ShiftedClock:
    """Another clock, ``ahead`` by so many seconds: Discord's clock is not the bot's."""

    def __init__(self, clock: Clock, ahead: float = 0.0) -> None:
        self._clock = clock
        self.ahead = ahead

    def __call__(self) -> float:
        """Return the time it shows."""
        return self._clock() + self.ahead


class Snowflakes:
    """Makes ids that grow, and that carry their time of creation as Discord's do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """Return an id that was never given before and is larger than all of those."""
        stamp = (int(self._clock() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(stamp, self._last + 1)
        return self._last


def iso(seconds: float) -> str:
    """Return the ISO 8601 form in UTC that Discord sends."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
