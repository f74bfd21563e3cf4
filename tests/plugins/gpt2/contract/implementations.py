"""What the contract is held against: each implementation of ``TextGenerator``, with scripted models behind it.

One more implementation is one more line in :data:`IMPLEMENTATIONS`. One whose models run in this process, however far
its requests travel, takes :class:`StageInProcess` as it is; another one brings its own :class:`Stage`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from plugins.gpt2.engine_host.host import EngineHost, engine_settings
from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.router.fleet import Fleet
from plugins.gpt2.router.router import Router
from plugins.gpt2.router.server import RouterServer
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen
from tests.plugins.gpt2.fake_source import FakeSource
from tests.plugins.gpt2.manual_time import ManualTime

SECRET = "a secret of the tests"
PATIENCE_S = 20.0
"""How long a held step waits in a test that went wrong."""


class Stage(Protocol):
    """A generator with the models "fake" (the host's default), "other" and "third", and what goes on behind it.

    What the models write is told by ``greedy_text``. Time stands still, but for what :meth:`advance` and
    :meth:`take_time` say. Steps are those of all models.
    """

    generator: TextGenerator

    def hold(self, after: int = 0) -> None:
        """Let ``after`` more steps pass, and hold whoever would make the next one."""
        ...

    def go_on(self) -> None:
        """Let everybody make steps again."""
        ...

    def fail_steps(self, times: int = 1) -> None:
        """Have the next ``times`` steps fail."""
        ...

    def take_time(self, seconds: float) -> None:
        """Have each step take so long."""
        ...

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        ...

    def hold_loading(self, model: str) -> None:
        """Hold whoever loads the model, while its files are opened."""
        ...

    def go_on_loading(self, model: str) -> None:
        """Let the model be loaded."""
        ...

    def lose(self, model: str) -> None:
        """Have the model's files gone: whoever loads it will fail, saying that a file is not there."""
        ...

    def find(self, model: str) -> None:
        """Bring its files back."""
        ...

    def loads(self, model: str) -> int:
        """Return how often loading the model was begun."""
        ...

    async def told(self) -> None:
        """Wait until the generator's status is what is so now."""
        ...

    async def unloaded(self, model: str) -> None:
        """Wait until the model has left the memory, and the generator knows."""
        ...


class StageInProcess:
    """A stage for models that run in this process, in whatever thread. ``step_s`` is what loading them measures."""

    generator: TextGenerator

    def __init__(self, *, rows: int, context: int, step_s: float | None, time: ManualTime | None = None) -> None:
        self.time = time or ManualTime()
        self.source = FakeSource(
            rows=rows, context=context, step_s=step_s, before_step=self._before_step, before_open=self._before_open
        )
        self._change = threading.Condition()
        self._free: int | None = None
        """How many steps may be made; None for any number."""
        self._failures = 0
        self._step_s = 0.0
        self._held: set[str] = set()
        self._lost: set[str] = set()

    def hold(self, after: int = 0) -> None:
        with self._change:
            self._free = after
            self._change.notify_all()

    def go_on(self) -> None:
        with self._change:
            self._free = None
            self._change.notify_all()

    def fail_steps(self, times: int = 1) -> None:
        with self._change:
            self._failures = times

    def take_time(self, seconds: float) -> None:
        self._step_s = seconds

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds)

    def hold_loading(self, model: str) -> None:
        with self._change:
            self._held.add(model)

    def go_on_loading(self, model: str) -> None:
        with self._change:
            self._held.discard(model)
            self._change.notify_all()

    def lose(self, model: str) -> None:
        self._lost.add(model)

    def find(self, model: str) -> None:
        self._lost.discard(model)

    def loads(self, model: str) -> int:
        return self.source.opened.count(model)

    async def told(self) -> None:
        """It always is, here."""

    async def unloaded(self, model: str) -> None:
        for made in self.source.models:
            if made.info.name == model:
                assert await asyncio.to_thread(made.closed.wait, PATIENCE_S)

    def end(self) -> None:
        """Let go of everybody, whatever the test has held."""
        self.go_on()
        for model in list(self._held):
            self.go_on_loading(model)

    def _before_step(self, kind: str) -> None:
        with self._change:
            self._change.wait_for(lambda: self._free != 0, PATIENCE_S)
            if self._free:
                self._free -= 1
            if self._step_s:
                self.time.advance(self._step_s)
            if self._failures:
                self._failures -= 1
                raise RuntimeError("device lost")

    def _before_open(self, model: str) -> None:
        with self._change:
            self._change.wait_for(lambda: model not in self._held, PATIENCE_S)
        if model in self._lost:
            raise ValueError(f"{model}: /srv/models/{model}/config.json is not there. Copy it again.")


class Setting(Protocol):
    """Begins a generator of one implementation, and ends it with the block."""

    def __call__(
        self, settings: GPT2Settings, *, rows: int, context: int, step_s: float | None, held: Iterable[str]
    ) -> AbstractAsyncContextManager[Stage]:
        """Return a stage on which the generator has started; loading is held for the models in ``held``."""
        ...


def in_process(make: Callable[[GPT2Settings, StageInProcess], TextGenerator]) -> Setting:
    """Return how to begin a generator that ``make`` makes of settings and of a stage's models and time."""

    @contextlib.asynccontextmanager
    async def begin(
        settings: GPT2Settings, *, rows: int, context: int, step_s: float | None, held: Iterable[str]
    ) -> AsyncIterator[Stage]:
        stage = StageInProcess(rows=rows, context=context, step_s=step_s)
        for model in held:
            stage.hold_loading(model)
        stage.generator = make(settings, stage)
        try:
            await stage.generator.start()
            yield stage
        finally:
            stage.end()
            await stage.generator.close()

    return begin


def local(settings: GPT2Settings, stage: StageInProcess) -> GPT2Service:
    """The engine in this process, on a machine whose memory is never short."""
    time = stage.time
    return GPT2Service(settings, stage.source, clock=time, timeout=time.timeout, available_memory=lambda: None)


class RemoteStage(StageInProcess):
    """A bot's side, a router and an engine, with real sockets between them."""

    def __init__(self, *, rows: int, context: int, step_s: float | None) -> None:
        super().__init__(rows=rows, context=context, step_s=step_s)
        self.host: EngineHost | None = None

    async def told(self) -> None:
        assert self.host is not None
        assert isinstance(self.generator, RemoteTextGenerator)
        await self.host.register()
        await self.generator.refresh()


@contextlib.asynccontextmanager
async def remote(
    settings: GPT2Settings, *, rows: int, context: int, step_s: float | None, held: Iterable[str]
) -> AsyncIterator[Stage]:
    """Everything over the wire: a bot, a router and an engine."""
    stage = RemoteStage(rows=rows, context=context, step_s=step_s)
    for model in held:
        stage.hold_loading(model)
    async with contextlib.AsyncExitStack() as parts:
        parts.callback(stage.end)
        calls = await parts.enter_async_context(session(SECRET))
        router = Router(settings, Fleet(calls), clock=stage.time, timeout=stage.time.timeout)
        runner, port = await listen(RouterServer(router, SECRET).app, "127.0.0.1", 0, SECRET)
        parts.push_async_callback(runner.cleanup)
        url = f"http://127.0.0.1:{port}"
        service = local(engine_settings(settings), stage)
        parts.push_async_callback(service.close)
        await service.start()
        stage.host = EngineHost(service, settings.allowed_models, SECRET, join_s=0.0)
        runner, port = await listen(stage.host.app, "127.0.0.1", 0, SECRET)
        parts.push_async_callback(runner.cleanup)
        stage.host.begin(f"http://:{port}", [url], calls)
        parts.push_async_callback(stage.host.end)
        stage.generator = RemoteTextGenerator([url], SECRET, clock=stage.time)
        parts.push_async_callback(stage.generator.close)
        await stage.generator.start()
        await stage.told()
        parts.callback(stage.end)  # first of all, so that everyone can come to an end
        yield stage


IMPLEMENTATIONS: Mapping[str, Setting] = {"local": in_process(local), "remote": remote}
