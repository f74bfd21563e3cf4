"""Which models are loaded: fetching one, making room for it, and taking the longest unused away.

All on the event loop; files are opened in a thread of their own, loading happens in the engine thread. A model that
serves goes on serving until another one is ready, unless memory cannot hold both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from plugins.gpt2.engine.engine_thread import EngineThread
from plugins.gpt2.engine.notices import Loaded, Loading, NotLoaded, Progress
from plugins.gpt2.formatting import detail
from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import ModelUnavailable
from plugins.gpt2.service.daemon_thread import in_daemon_thread
from plugins.gpt2.service.model_catalog import over_budget
from plugins.gpt2.service.model_source import ModelSource, Opened
from townhall_bot import memory
from townhall_bot.formatting import format_bytes

log = logging.getLogger("townhall.gpt2.models")

Listener = Callable[[Message], None]
STAGES = {"loading": message("progress.stage.loading"), "warming up": message("progress.stage.warming_up")}
"""What the stages are called that a model goes through while it is loaded."""


@dataclass(slots=True)
class LoadedModel:
    """A loaded model, and how much of it there is."""

    info: ModelInfo
    rows: int
    memory_bytes: int
    last_use: int = 0
    """Counts up with each use, to tell which one was used last."""
    used_at: float = 0.0
    """When that was, in seconds of the pool's clock."""


@dataclass(slots=True)
class _Fetch:
    """A model on its way, with everyone who waits for it."""

    line: Message
    task: asyncio.Task[ModelInfo] | None = None
    built: asyncio.Future[Loaded] | None = None
    listeners: list[Listener] = field(default_factory=list)

    def tell(self, line: Message) -> None:
        self.line = line
        for listener in list(self.listeners):
            listener(line)


class ModelPool:
    """Keeps up to ``limit`` models, in up to ``budget`` bytes. ``in_use`` tells whether a model has requests.

    A model in use never leaves. ``clock`` is in seconds.
    """

    def __init__(
        self,
        engine: EngineThread,
        source: ModelSource,
        *,
        limit: int,
        in_use: Callable[[str], bool],
        available: Callable[[], int | None] = memory.available_bytes,
        budget: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._source = source
        self._limit = limit
        self._in_use = in_use
        self._available = available
        self._budget = budget
        self._clock = clock
        self._models: dict[str, LoadedModel] = {}
        self._fetches: dict[str, _Fetch] = {}
        self._needs: dict[str, int] = {}
        self._out_of_service: dict[str, Message | str] = {}
        self._uses = 0
        self._lost: Message | None = None

    @property
    def loaded(self) -> dict[str, LoadedModel]:
        """The models that serve, by name."""
        return self._models

    @property
    def loading(self) -> Message | None:
        """What is on its way, with a line of progress."""
        return next((fetch.line for fetch in self._fetches.values()), None)

    def progress(self, name: str) -> Message | None:
        """Return the last line of progress of a model on its way."""
        fetch = self._fetches.get(name)
        return fetch.line if fetch else None

    def out_of_service(self, name: str) -> Message | str | None:
        """Return why a model that failed too often serves no more; asking for it by :meth:`fetch` tries again."""
        return self._out_of_service.get(name)

    def touch(self, name: str) -> LoadedModel | None:
        """Return the model if it is loaded, and note that it is wanted."""
        model = self._models.get(name)
        if model is not None:
            self._uses += 1
            model.last_use = self._uses
            model.used_at = self._clock()
        return model

    async def fetch(self, name: str, listener: Listener | None = None) -> ModelInfo:
        """Return the loaded model, loading it where needed; callers at the same time share one load.

        ``listener`` hears lines of progress. Raises :class:`ModelUnavailable` with the reason.
        """
        if (model := self.touch(name)) is not None:
            return model.info
        fetch = self._fetches.get(name)
        if fetch is None:
            fetch = self._fetches[name] = _Fetch(message("progress.looking", model=name))
            fetch.task = asyncio.create_task(self._fetch(name, fetch), name=f"gpt2-load-{name}")
            fetch.task.add_done_callback(_retrieve)
        assert fetch.task is not None  # set in the same breath
        if listener is not None:
            fetch.listeners.append(listener)
            listener(fetch.line)
        try:
            return await asyncio.shield(fetch.task)  # one who stops waiting does not stop the others
        finally:
            if listener is not None:
                fetch.listeners.remove(listener)

    def hear(self, notice: Loading | Loaded | NotLoaded) -> None:
        """Take what the engine says about a model."""
        fetch = self._fetches.get(notice.name)
        built = fetch.built if fetch else None
        match notice:
            case Loading(name, progress):
                if fetch is not None:
                    fetch.tell(progress_queue(name, progress))
            case Loaded(name, info, rows):
                # A rebuild after a failure brings one, too: for a model that serves, or that has just been unloaded.
                if built is not None or name in self._models:
                    self._models[name] = LoadedModel(info, rows, self._needs.get(name, info.weight_bytes))
                    self.touch(name)
                if built is not None and not built.done():
                    built.set_result(notice)
            case NotLoaded(name, reason):
                was_serving = self._models.pop(name, None) is not None
                if built is not None and not built.done():
                    built.set_exception(ModelUnavailable(message("unavailable.not_loaded", model=name, reason=reason)))
                elif was_serving:
                    self._out_of_service[name] = reason

    def engine_lost(self, reason: Message) -> None:
        """Give up for good: the engine thread is gone."""
        self._lost = reason
        self._models.clear()
        for fetch in self._fetches.values():
            if fetch.built is not None and not fetch.built.done():
                fetch.built.set_exception(ModelUnavailable(reason))

    def evict_over_limit(self) -> None:
        """Unload what is beyond the limit, the longest unused first; to be called when a request has ended."""
        newest = max(self._models, key=lambda name: self._models[name].last_use, default=None)
        leaving = [name for name in self._idle() if name != newest]  # it came for a reason, perhaps just now
        for name in leaving[: max(0, len(self._models) - self._limit)]:
            self._unload(name)

    def evict_idle(self, seconds: float) -> None:
        """Unload what nobody has used for that long."""
        for name in self._idle():
            if self._clock() - self._models[name].used_at >= seconds:
                self._unload(name)

    async def close(self) -> None:
        """Give up what is on its way."""
        tasks = [fetch.task for fetch in self._fetches.values() if fetch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, name: str, fetch: _Fetch) -> ModelInfo:
        try:
            opened = await self._open(name, fetch)
            if self._lost is not None:
                raise ModelUnavailable(self._lost)
            self._make_room(name, opened.memory_bytes)
            self._needs[name] = opened.memory_bytes
            fetch.built = asyncio.get_running_loop().create_future()
            self._engine.load(name, opened.build)
            loaded = await fetch.built
            self._out_of_service.pop(name, None)
            log.info("%s is loaded on %s as %s", name, loaded.info.device, loaded.info.dtype)
            return loaded.info
        finally:
            del self._fetches[name]
            self.evict_over_limit()

    async def _open(self, name: str, fetch: _Fetch) -> Opened:
        loop = asyncio.get_running_loop()

        def on_progress(line: Message) -> None:
            if self._lost is not None:
                raise ConnectionAbortedError(str(self._lost))  # (an OSError: stops the download)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
                loop.call_soon_threadsafe(fetch.tell, line)

        try:
            return await in_daemon_thread(lambda: self._source.open(name, on_progress))
        except (ValueError, OSError) as error:
            log.warning("%s cannot be opened: %s", name, error)
            raise ModelUnavailable(message("unavailable.not_opened", model=name, reason=detail(error))) from error

    def _make_room(self, name: str, need: int) -> None:
        """Unload idle models where memory is short; raise :class:`ModelUnavailable` where even that is not enough."""
        if self._budget is not None and need > self._budget:
            raise ModelUnavailable(over_budget(name, need, self._budget))
        free = self._free()
        if free is None:
            return
        for idle in self._idle():
            if need <= free:
                return
            free += self._models[idle].memory_bytes
            self._unload(idle)
        if need > free:
            raise ModelUnavailable(
                message("unavailable.no_memory", model=name, need=format_bytes(need), free=format_bytes(free))
            )

    def _free(self) -> int | None:
        """Return the bytes that another model may take: what the machine has left, and the host's budget."""
        free = self._available()
        if self._budget is None:
            return free
        coming = [name for name, fetch in self._fetches.items() if fetch.built is not None and name not in self._models]
        taken = sum(model.memory_bytes for model in self._models.values()) + sum(self._needs[name] for name in coming)
        left = max(0, self._budget - taken)
        return left if free is None else min(free, left)

    def _idle(self) -> list[str]:
        idle = [name for name in self._models if not self._in_use(name)]
        return sorted(idle, key=lambda name: self._models[name].last_use)

    def _unload(self, name: str) -> None:
        log.info("%s leaves the memory", name)
        del self._models[name]
        self._engine.unload(name)


def progress_queue(name: str, progress: Progress) -> Message:
    """Return where loading stands, as one line for a person."""
    stage, percent = STAGES.get(progress.stage, progress.stage), 100 * progress.done // max(1, progress.total)
    if not progress.memory_bytes:
        return message("progress.stage_at", model=name, stage=stage, percent=percent)
    memory = format_bytes(progress.memory_bytes)
    return message("progress.stage_with_memory", model=name, stage=stage, percent=percent, memory=memory)


def _retrieve(task: asyncio.Task[ModelInfo]) -> None:
    """Look at the outcome, so that asyncio does not warn where every waiter has left."""
    if not task.cancelled():
        task.exception()
