"""A router, and engines that compute nothing: each writes numbered words, one a token, when the test lets it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace

from aiohttp import web

from plugins.gpt2.engine_host.host import EngineHost
from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import (
    EngineStatus,
    Event,
    Finished,
    GenerationRequest,
    ModelEntry,
    OnProgress,
    ServingModel,
    Started,
    Text,
    TextGenerator,
    Timing,
)
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.router.fleet import Fleet
from plugins.gpt2.router.router import Router
from plugins.gpt2.router.server import RouterServer
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen
from tests.plugins.gpt2.fake_source import settings

SECRET = "a secret of the tests"
INFO = ModelInfo("fake", "FAKE", "int8", 1, 1, 1024, 300, None, 0.02)


def word(number: int) -> str:
    return f"{number} "


def words(count: int) -> str:
    """What any engine writes, from the beginning."""
    return "".join(word(number) for number in range(count))


class FakeService(TextGenerator):
    """Writes :func:`words`, going on where what was written ends. ``free`` are the tokens that it may still write.

    ``loads`` is whether a model that is asked for comes, and does not stay on its way.
    """

    def __init__(self, rows: int, change: asyncio.Condition) -> None:
        self.rows = rows
        self.models = ["fake"]
        self.loading: list[str] = []
        self.loads = True
        self.free: int | None = None
        self.change = change
        self.asked: list[GenerationRequest] = []
        self.running: dict[int, GenerationRequest] = {}
        self.cancelled: set[int] = set()

    async def start(self) -> None: ...

    async def allow(self, tokens: int | None) -> None:
        """Let so many more tokens be written; None for any number."""
        async with self.change:
            self.free = tokens
            self.change.notify_all()

    @contextlib.asynccontextmanager
    async def admitted(self, request: GenerationRequest) -> AsyncGenerator[AsyncIterator[Event]]:
        self.asked.append(request)
        assert request.request_id is not None
        self.running[request.request_id] = request
        await self._tell()
        try:
            async with contextlib.aclosing(self._events(request, request.request_id)) as events:
                yield events
        finally:
            del self.running[request.request_id]
            await self._tell()

    async def _tell(self) -> None:
        async with self.change:
            self.change.notify_all()

    async def _events(self, request: GenerationRequest, key: int) -> AsyncGenerator[Event]:
        yield Started()
        first = len(request.written.split())
        for number in range(first, first + request.count):
            async with self.change:
                await self.change.wait_for(lambda: self.free != 0 or key in self.cancelled)
                if key in self.cancelled:
                    yield Finished("cancelled", self._timing(request, number - first))
                    return
                if self.free:
                    self.free -= 1
            yield Text(word(number), 1)
        yield Finished("length", self._timing(request, request.count))

    def _timing(self, request: GenerationRequest, tokens: int) -> Timing:
        return Timing(0, 1, None, 50, 20 * tokens, 3 + len(request.written.split()), tokens, 1, "fake", "FAKE", "int8")

    async def cancel(self, request_id: int) -> bool:
        async with self.change:
            self.cancelled.add(request_id)
            self.change.notify_all()
        return request_id in self.running

    async def cancel_member(self, user_id: int) -> int:
        return 0

    async def ensure_model(self, name: str, on_progress: OnProgress | None = None) -> ModelInfo:
        async with self.change:
            self.loading.append(name)
            self.change.notify_all()
            await self.change.wait_for(lambda: self.loads)
        self.models.append(name)
        return replace(INFO, name=name)

    def status(self) -> EngineStatus:
        loaded = tuple(ServingModel(replace(INFO, name=name), self.rows) for name in self.models)
        return EngineStatus(loaded, None, len(self.running), 0, "FAKE", "int8")

    async def drain(self) -> None: ...

    async def close(self) -> None: ...


async def broken_off(runner: web.AppRunner) -> None:
    """End a part as the process of one that is killed: all its connections break."""
    for site in list(runner.sites):
        await site.stop()
    assert runner.server is not None
    for connection in list(runner.server.connections):
        if connection.transport is not None:
            connection.transport.abort()
    await runner.cleanup()


class FakeEngine:
    """An engine that is registered, and can be killed."""

    def __init__(
        self,
        rows: int,
        change: asyncio.Condition,
        offers: Sequence[str] = ("fake",),
        entries: Sequence[ModelEntry] = (),
    ) -> None:
        self.service = FakeService(rows, change)
        self.host = EngineHost(self.service, offers, SECRET, join_s=0.0, entries=lambda: entries)
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self, house: House) -> None:
        self._runner, self.port = await listen(self.host.app, "127.0.0.1", 0, SECRET)
        await self.host.look()
        self.host.begin(f"http://:{self.port}", [router.url for router in house.routers], house.calls)
        await self.host.register()

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def kill(self) -> None:
        """Be gone."""
        await self.host.end()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await broken_off(runner)


class RunningRouter:
    """A router that listens, and can be killed and come back at the same port."""

    def __init__(self, house: House, **changes: object) -> None:
        self.router = Router(settings(**changes), Fleet(house.calls))
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        self._runner, port = await listen(RouterServer(self.router, SECRET).app, "127.0.0.1", 0, SECRET)
        self.url = f"http://127.0.0.1:{port}"

    async def kill(self) -> None:
        """Be gone."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await broken_off(runner)


class House:
    """Routers, engines and bots in one process, with real sockets between them."""

    def __init__(self) -> None:
        self.calls = session(SECRET)
        self.routers: list[RunningRouter] = []
        self.engines: list[FakeEngine] = []
        self._bots: list[RemoteTextGenerator] = []
        self.change = asyncio.Condition()
        """Notified of whatever an engine begins, ends or is allowed."""

    async def until(self, true: Callable[[], object], seconds: float = 10) -> None:
        """Wait until what engines do makes something true, at most so many ``seconds``."""
        async with asyncio.timeout(seconds), self.change:
            await self.change.wait_for(lambda: bool(true()))

    async def router(self, **changes: object) -> Router:
        running = RunningRouter(self, **changes)
        self.routers.append(running)
        await running.start()
        return running.router

    async def engine(
        self,
        rows: int = 8,
        *,
        tokens: int | None = None,
        offers: Sequence[str] = ("fake",),
        entries: Sequence[ModelEntry] = (),
        loads: bool = True,
    ) -> FakeEngine:
        """Begin one, which may write so many tokens."""
        engine = FakeEngine(rows, self.change, offers, entries)
        engine.service.free, engine.service.loads = tokens, loads
        self.engines.append(engine)
        await engine.start(self)
        return engine

    async def bot(self, patience_s: float = 5.0) -> RemoteTextGenerator:
        bot = RemoteTextGenerator([router.url for router in self.routers], SECRET, patience_s=patience_s)
        self._bots.append(bot)
        await bot.start()
        return bot

    async def end(self) -> None:
        for bot in self._bots:
            await bot.close()
        for engine in self.engines:
            await engine.service.allow(None)
            await engine.kill()
        for router in self.routers:
            await router.kill()
        await self.calls.close()
