"""Texts from engines behind a router, or behind the next one where it is lost: patient, and nobody sees the change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import (
    EngineFailed,
    EngineStatus,
    Event,
    Finished,
    GenerationRequest,
    ModelUnavailable,
    OnProgress,
    Queued,
    Started,
    Text,
    TextGenerator,
)
from plugins.gpt2.remote.routers import Routers
from plugins.gpt2.wire.calling import Lost, session
from plugins.gpt2.wire.events import Admitted, Loaded, Progress, Told
from plugins.gpt2.wire.manuscript import Manuscript
from plugins.gpt2.wire.values import request_out

log = logging.getLogger("townhall.gpt2.remote")

ENTER_S = 2.0
"""How long a router is looked for before a request has its place: Discord waits 3 seconds for a first answer."""
PATIENCE_S = 20.0
"""How long one is looked for where a text is under way already."""
AGAIN_S = 0.1


class RemoteTextGenerator(TextGenerator):
    """Has texts written by the engines behind ``routers``, addresses of which the first is preferred.

    ``secret`` is that of the routers. ``clock`` is in seconds; ``patience_s`` how long a lost router is waited for in
    the middle of a text.
    """

    def __init__(
        self,
        routers: Sequence[str],
        secret: str | None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._addresses = tuple(routers)
        self._secret = secret
        self._clock = clock
        self._patience_s = patience_s
        self._session: aiohttp.ClientSession | None = None
        self._routers: Routers | None = None
        self._open: dict[asyncio.Future[Message], bool] = {}
        """What ends each request from here, and whether it has begun."""
        self._ended: Message | None = None
        self._draining = False
        self._all_left = asyncio.Event()

    async def start(self) -> None:
        """Begin to ask the routers how things are; returns before one answers."""
        self._session = session(self._secret)
        self._routers = Routers(self._addresses, self._session)
        self._routers.start()

    @contextlib.asynccontextmanager
    async def admitted(self, request: GenerationRequest) -> AsyncGenerator[AsyncIterator[Event]]:
        """Give a request its place at a router, and its events as they come; see ``TextGenerator``."""
        self._check_alive()
        stop: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._open[stop] = False
        asker = uuid.uuid4().hex
        try:
            async with contextlib.AsyncExitStack() as leaving:
                told = await self._enter(request, asker)
                await leaving.enter_async_context(contextlib.aclosing(told))
                events = self._events(request, asker, told, stop)
                yield await leaving.enter_async_context(contextlib.aclosing(events))
        finally:
            del self._open[stop]
            if not self._open:
                self._all_left.set()

    async def cancel(self, request_id: int) -> bool:
        """End the request that goes by this id, whichever bot asked."""
        return bool((await self._ask("DELETE", f"requests/{request_id}")).get("was"))

    async def cancel_member(self, user_id: int) -> int:
        """End everything of a member's, in all bots; return how many requests that were."""
        return int((await self._ask("DELETE", f"members/{user_id}")).get("were", 0))

    async def ensure_model(self, name: str, on_progress: OnProgress | None = None) -> ModelInfo:
        """Have an engine load ``name``; see ``TextGenerator``."""
        self._check_alive()
        stop: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._open[stop] = True
        loading = asyncio.create_task(self._load(name, on_progress))
        try:
            await asyncio.wait((loading, stop), return_when=asyncio.FIRST_COMPLETED)
            if not loading.done():
                raise ModelUnavailable(stop.result())
            return await loading
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            del self._open[stop]
            if not self._open:
                self._all_left.set()

    def status(self) -> EngineStatus:
        """Return what a router said last, half a second ago at most."""
        status = self._alive.status
        return status if self._ended is None else EngineStatus((), None, 0, 0, "", "", str(self._ended))

    async def refresh(self) -> None:
        """Ask the routers now how things are."""
        await self._alive.refresh()

    async def drain(self) -> None:
        """Take nothing new from this bot, send away those of it who wait, and return when its texts are done."""
        self._draining = True
        for stop, begun in self._open.items():
            if not begun and not stop.done():
                stop.set_result(message("failed.draining"))
        if self._open:
            self._all_left.clear()
            await self._all_left.wait()

    async def close(self) -> None:
        """Fail what waits and runs with what it has; the routers hear that nobody listens any more."""
        self._ended = self._ended or message("failed.stopping")
        for stop in self._open:
            if not stop.done():
                stop.set_result(self._ended)
        if self._routers is not None:
            await self._routers.close()
        if self._open:  # their streams close with the session, but should not fail for that reason
            self._all_left.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._all_left.wait()
        if self._session is not None:
            await self._session.close()

    @property
    def _alive(self) -> Routers:
        assert self._routers is not None, "start() comes first"
        return self._routers

    def _check_alive(self) -> None:
        if self._ended is not None:
            raise EngineFailed(self._ended)
        if self._draining:
            raise EngineFailed(message("failed.draining"))

    async def _ask(self, method: str, rest: str) -> dict[str, Any]:
        """Call whichever router answers."""
        for _ in self._addresses:
            caller = self._alive.current
            try:
                return await caller.ask(method, rest)
            except Lost as error:
                self._alive.lose(caller, str(error))
        raise EngineFailed(message("failed.no_router"))

    async def _load(self, name: str, on_progress: OnProgress | None) -> ModelInfo:
        caller = self._alive.current
        try:
            async with contextlib.aclosing(caller.told("models", {"model": name})) as told:
                async for event in told:
                    if isinstance(event, Progress) and on_progress is not None:
                        on_progress(event.line)
                    if isinstance(event, Loaded):
                        return event.info
        except Lost as error:
            self._alive.lose(caller, str(error))
        raise ModelUnavailable(message("failed.no_router"))

    async def _enter(self, request: GenerationRequest, asker: str, *, resumed: bool = False) -> AsyncGenerator[Told]:
        """Return a stream behind the line that gives a place. Raises the refusal, EngineFailed without router.

        ``asker`` names this one listener: where it comes again, a router ends what it had for it.
        """
        until = asyncio.get_running_loop().time() + (self._patience_s if resumed else ENTER_S)
        said = {**request_out(request), "resumed": resumed, "asker": asker}
        while True:
            caller = self._alive.current
            told = caller.told("generate", said)
            try:
                async for event in told:
                    if isinstance(event, Admitted):
                        return told
            except Lost as error:
                self._alive.lose(caller, str(error))
            if asyncio.get_running_loop().time() > until:
                raise EngineFailed(message("failed.router_lost" if resumed else "failed.no_router"))
            await asyncio.sleep(AGAIN_S)

    async def _events(
        self, request: GenerationRequest, asker: str, told: AsyncGenerator[Told], stop: asyncio.Future[Message]
    ) -> AsyncGenerator[Event]:
        """Yield a request's events from one router after the other, until one tells the end, or ``stop`` does."""
        manuscript = Manuscript(request, self._clock)
        while True:
            caller = self._alive.current
            try:
                async with contextlib.aclosing(_until(told, stop)) as events:
                    async for event in events:
                        if isinstance(event, Started):
                            self._open[stop] = True
                        if isinstance(event, Queued | Started | Text | Finished) and (heard := manuscript.hear(event)):
                            yield heard
                            if isinstance(heard, Finished):
                                return
            except Lost as error:
                self._alive.lose(caller, str(error))
            except EngineFailed as error:
                raise EngineFailed(error.message, error.partial_text or manuscript.text) from error
            manuscript.lost()
            if (end := manuscript.whole()) is not None:
                yield end
                return
            told = await self._resumed(manuscript, asker)

    async def _resumed(self, manuscript: Manuscript, asker: str) -> AsyncGenerator[Told]:
        try:
            return await self._enter(manuscript.rest, asker, resumed=True)
        except EngineFailed as error:
            raise EngineFailed(error.message, manuscript.text) from error


async def _until(told: AsyncGenerator[Told], stop: asyncio.Future[Message]) -> AsyncGenerator[Told]:
    """Yield what is told until ``stop`` says why it ends here; raises that as EngineFailed."""
    coming: asyncio.Future[Told] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(told))
            await asyncio.wait((coming, stop), return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                raise EngineFailed(stop.result())
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await told.aclose()
