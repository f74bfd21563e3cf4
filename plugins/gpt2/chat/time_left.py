"""Ending a text before nobody could be shown it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from townhall_bot.replies import alone


class TimeLeft:
    """While the block runs, awaits ``stop`` once when the time of an answer to the asker ``alone`` is over."""

    def __init__(self, stop: Callable[[], Awaitable[None]], *, limited: bool) -> None:
        self.over = False
        """Whether it is."""
        self._stop = stop
        self._limited = limited
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> TimeLeft:
        if self._limited:
            self._task = asyncio.create_task(self._watch(), name="time-left")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _watch(self) -> None:
        await asyncio.sleep(alone.TIME_S)
        self.over = True
        await self._stop()
