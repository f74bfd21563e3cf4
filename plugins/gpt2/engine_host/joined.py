"""Pieces of text joined to fewer, longer ones: a message for each token would cost more than it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from plugins.gpt2.protocol import Event, Text

JOIN_S = 0.1
"""For how long pieces are collected; Discord shows about one edit a second."""


async def joined(events: AsyncIterator[Event], seconds: float = JOIN_S) -> AsyncGenerator[Event]:
    """Yield events with texts that come within ``seconds`` as one; the first, and all else, goes at once."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[Event] | None = None
    held: Text | None = None
    first, due = True, 0.0
    try:
        while True:
            coming = asyncio.ensure_future(anext(events)) if coming is None else coming
            await asyncio.wait({coming}, timeout=None if held is None else max(0.0, due - loop.time()))
            if not coming.done():
                assert held is not None  # or there would have been no limit
                yield held
                held = None
                continue
            done, coming = coming, None
            event = None if done.exception() else done.result()
            if isinstance(event, Text) and not first:
                due = loop.time() + seconds if held is None else due
                held = event if held is None else held + event
                continue
            if held is not None:
                yield held
                held = None
            if event is None:
                if not isinstance(error := done.exception(), StopAsyncIteration):
                    raise error  # type: ignore[misc]  # it has one
                return
            first = first and not isinstance(event, Text)
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
