"""One request at the router: its state for the asker, and the engine that writes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from plugins.gpt2.protocol import Event, Finished, Queued, Started, Text
from plugins.gpt2.router.fleet import Engine
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.wire.calling import Lost
from plugins.gpt2.wire.manuscript import Manuscript
from plugins.gpt2.wire.values import request_out


class Writing:
    """A request from its place to its end. ``clock`` is in seconds, ``asker`` the name of its listener."""

    def __init__(self, state: RequestState, clock: Callable[[], float], asker: str = "") -> None:
        self.state, self.asker = state, asker
        self.manuscript = Manuscript(state.request, clock, state.submitted)
        self.engine: Engine | None = None
        self.task: asyncio.Task[None] | None = None
        self.losses = 0
        """How many engines were lost while they wrote it."""
        self.cancelled = False

    async def by(self, engine: Engine) -> AsyncGenerator[Event]:
        """Have an engine write what is left; yield what the asker hears. Raises its error, and :class:`Lost`."""
        # The engine's own limits are none of the asker's: the places were given here.
        self.manuscript.sent()
        rest = replace(self.manuscript.rest, request_id=self.state.key, limits=None)
        async with aclosing(engine.caller.told("generate", request_out(rest))) as told:
            async for event in told:
                if isinstance(event, Queued):
                    continue  # the row that is free in our books is about to be
                if isinstance(event, Started | Text | Finished) and (heard := self.manuscript.hear(event)) is not None:
                    yield heard
                    if isinstance(heard, Finished):
                        return
        raise Lost("it ended in the middle of a text")
