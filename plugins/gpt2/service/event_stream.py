"""A request's events as its listener hears them: until the end, or until its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager

from plugins.gpt2.formatting import duration
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import DeadlineExceeded, Event, Finished
from plugins.gpt2.service.request_state import RequestState

QUEUE_NEWS_S = 5.0
"""How often who waits hears a new estimate, even where the place is the same."""

Timeout = Callable[[float], AbstractAsyncContextManager[object]]
"""Makes a block that ends with TimeoutError after so many seconds, as :func:`asyncio.timeout` does."""


class EventStreams:
    """Makes streams of events, which have ``deadline_s`` seconds from when their request came.

    ``clock`` is in seconds, and ``timeout`` goes by it. ``announce`` tells all who wait their new estimates.
    """

    def __init__(
        self,
        deadline_s: float,
        announce: Callable[[], None],
        *,
        clock: Callable[[], float],
        timeout: Timeout = asyncio.timeout,
    ) -> None:
        self._deadline_s = deadline_s
        self._announce = announce
        self._clock = clock
        self._timeout = timeout

    async def of(self, state: RequestState) -> AsyncGenerator[Event]:
        """Yield a request's events up to Finished; raise its error, or :class:`DeadlineExceeded`."""
        event: Event | None = None
        while not isinstance(event, Finished):
            left = max(0.0, state.submitted + self._deadline_s - self._clock())
            within = min(left, QUEUE_NEWS_S) if state.begun is None else left
            try:
                async with self._timeout(within):
                    event = await state.get()
            except TimeoutError:
                if within < left:
                    self._announce()
                    continue
                name = "failed.waited_too_long" if state.begun is None else "failed.too_long"
                raise DeadlineExceeded(message(name, limit=duration(self._deadline_s))) from None
            yield event
