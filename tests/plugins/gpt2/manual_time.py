"""Time that stands still until a test moves it, for what waits as for what measures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from townhall_bot.loopback import ManualClock


class ManualTime(ManualClock):
    """A clock, and timeouts that go by it. Any thread may move it."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self._loop = asyncio.get_running_loop()
        self._timeouts: dict[asyncio.Timeout, float] = {}

    @contextlib.asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        """Return a block that ends with TimeoutError once the clock was moved by ``seconds``."""
        async with asyncio.timeout(None) as timeout:
            self._timeouts[timeout] = self.now + seconds
            self._end_what_is_due()
            try:
                yield
            finally:
                del self._timeouts[timeout]

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        with contextlib.suppress(RuntimeError):  # the test is over
            self._loop.call_soon_threadsafe(self._end_what_is_due)

    def _end_what_is_due(self) -> None:
        for timeout, due in self._timeouts.items():
            if due <= self.now and not timeout.expired():
                timeout.reschedule(self._loop.time())
