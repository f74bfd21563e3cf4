"""Which models are loaded: loading one, making room for it, and evicting the longest unused.

All on the event loop; loading happens in the engine thread. A model that serves goes on serving until another one is
ready, unless memory cannot hold both. The pool asks nobody: who needs a model holds it, and is told what comes of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from plugins.gpt2.engine.engine_thread import EngineThread
from plugins.gpt2.engine.notices import Loaded, Loading, NotLoaded
from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import ModelUnavailable, OnProgress
from plugins.gpt2.service.loaded_models import LoadedModel, LoadedModels
from plugins.gpt2.service.model_catalog import over_budget
from plugins.gpt2.service.model_load import ModelLoad
from plugins.gpt2.service.model_source import ModelSource
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.machine import memory

log = logging.getLogger("townhall.gpt2.models")


@dataclass(frozen=True, slots=True)
class Coming:
    """There is another line of progress of the model ``name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The model ``name`` serves."""

    name: str
    info: ModelInfo


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The model ``name`` could not be loaded, or serves no more; ``error`` is for those who wait for it."""

    name: str
    error: ModelUnavailable


PoolEvent = Coming | Ready | Unavailable


class ModelPool:
    """Keeps up to ``limit`` models, in up to ``budget`` bytes. A model that is held never leaves.

    ``tell`` hears what becomes of models, whoever asked for them; ``available`` returns the bytes of memory that are
    free, None where that is not known; ``clock`` is in seconds.
    """

    def __init__(
        self,
        engine: EngineThread,
        source: ModelSource,
        tell: Callable[[PoolEvent], None],
        *,
        limit: int,
        available: Callable[[], int | None] = memory.available_bytes,
        budget: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._source = source
        self._tell = tell
        self._limit = limit
        self._available = available
        self._budget = budget
        self.loaded = LoadedModels(clock)
        """The models that serve."""
        self._loads: dict[str, ModelLoad] = {}
        self._needs: dict[str, int] = {}
        self._not_loaded: dict[str, Message] = {}
        self._out_of_service: dict[str, Message | str] = {}
        self._opening: set[asyncio.Task[None]] = set()

    @property
    def loading(self) -> Message | None:
        """What is on its way, with a line of progress."""
        return next((load.line for load in self._loads.values()), None)

    def out_of_service(self) -> dict[str, Message]:
        """Return what an asker is told of models that failed too often."""
        return {name: _out_of_service(name, reason).message for name, reason in self._out_of_service.items()}

    def rows(self, name: str) -> int | None:
        """Return how many requests a model takes at once, None where it is not loaded."""
        model = self.loaded.get(name)
        return model.rows if model else None

    def progress(self, name: str) -> Message | None:
        """Return the last line of progress of a model on its way."""
        load = self._loads.get(name)
        return load.line if load else None

    def failure(self, name: str) -> Message | str | None:
        """Return why a model does not serve: the last try to load it failed, or it was taken out of service."""
        return self._not_loaded.get(name) or self._out_of_service.get(name)

    def check(self, name: str) -> None:
        """Raise :class:`ModelUnavailable` where a model failed too often; :meth:`load` tries it again."""
        if (reason := self._out_of_service.get(name)) is not None:
            raise _out_of_service(name, reason)

    def hold(self, name: str) -> None:
        """Keep a model for one more request, from when it is there; it is loaded where it is not."""
        self.loaded.hold(name)
        self.begin(name)

    def begin(self, name: str) -> None:
        """Begin to load a model, unless it is loaded or on its way."""
        if name not in self.loaded:
            self._load_of(name)

    def release(self, name: str) -> None:
        """Need a model no more for a request that held it; the longest unused may leave now."""
        self.loaded.release(name)
        self._evict_over_limit()

    async def load(self, name: str, listener: OnProgress | None = None) -> ModelInfo:
        """Return the loaded model's facts, loading it where needed; callers at the same time share one load.

        ``listener`` hears lines of progress. Raises :class:`ModelUnavailable` with the reason.
        """
        if (model := self.loaded.touch(name)) is not None:
            return model.info
        return await self._load_of(name).wait(listener)

    def hear(self, notice: Loading | Loaded | NotLoaded) -> None:
        """Take what the engine says about a model."""
        load = self._loads.get(notice.name)
        if load is not None and not load.in_engine:
            load = None  # what is said is about one of the same name that was here before
        match notice:
            case Loading(_, progress):
                if load is not None:
                    load.advance(progress)
            case Loaded(name, info, rows):
                # A rebuild after a failure brings one, too: for a model that serves, or that has just been unloaded.
                if load is None and name not in self.loaded:
                    return
                self.loaded.add(name, LoadedModel(info, rows, self._needs.get(name, info.weight_bytes)))
                if load is not None:
                    del self._loads[name]
                    self._not_loaded.pop(name, None)
                    self._out_of_service.pop(name, None)
                    log.info("%s is loaded on %s as %s", name, info.device, info.dtype)
                    load.end(info)
                self._evict_over_limit()
                self._tell(Ready(name, info))
            case NotLoaded(name, reason):
                was_serving = self.loaded.discard(name) is not None
                if load is not None:
                    said = message("unavailable.not_loaded", model=name, reason=reason)
                    self._give_up(load, ModelUnavailable(said))
                elif was_serving:
                    self._out_of_service[name] = reason
                    self._tell(Unavailable(name, _out_of_service(name, reason)))

    def evict_idle(self, seconds: float) -> None:
        """Unload what nobody has used for that long."""
        for name in self.loaded.idle_for(seconds):
            self._unload(name)

    def stop(self, reason: Message) -> None:
        """Give up for good, with everything that is on its way: the engine takes nothing any more."""
        self.loaded.clear()
        for task in self._opening:
            task.cancel()
        for load in list(self._loads.values()):
            self._give_up(load, ModelUnavailable(reason))

    async def close(self) -> None:
        """Wait until nothing is on its way any more; to be called after :meth:`stop`."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _load_of(self, name: str) -> ModelLoad:
        """Return the load that brings a model, begun here where there is none."""
        if (load := self._loads.get(name)) is None:
            load = self._loads[name] = ModelLoad(name, lambda: self._tell(Coming(name)))
            task = asyncio.create_task(self._open(load), name=f"gpt2-load-{name}")
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return load

    async def _open(self, load: ModelLoad) -> None:
        """Open a model's files, make room and hand them to the engine, which tells :meth:`hear` what came of it."""
        try:
            opened = await load.open(self._source)
            self._make_room(load.name, opened.memory_bytes)
        except ModelUnavailable as error:
            self._give_up(load, error)
        except Exception as error:
            log.exception("opening %s failed", load.name)
            said = message("unavailable.not_loaded", model=load.name, reason=type(error).__name__)
            self._give_up(load, ModelUnavailable(said))
        else:
            load.in_engine = True
            self._needs[load.name] = opened.memory_bytes
            self._engine.load(load.name, opened.build)

    def _give_up(self, load: ModelLoad, error: ModelUnavailable) -> None:
        """End a load that failed; who asks again has it tried again."""
        del self._loads[load.name]
        self._not_loaded[load.name] = error.message
        load.end(error)
        self._tell(Unavailable(load.name, error))

    def _make_room(self, name: str, need: int) -> None:
        """Unload idle models where memory is short; raise :class:`ModelUnavailable` where even that is not enough."""
        if self._budget is not None and need > self._budget:
            raise ModelUnavailable(over_budget(name, need, self._budget))
        free = self._free()
        if free is None:
            return
        for idle in self.loaded.idle():
            if need <= free:
                return
            free += self._unload(idle)
        if need > free:
            raise ModelUnavailable(
                message("unavailable.no_memory", model=name, need=format_bytes(need), free=format_bytes(free))
            )

    def _free(self) -> int | None:
        """Return the bytes that another model may take: what the machine has left, and the host's budget."""
        free = self._available()
        if self._budget is None:
            return free
        coming = [name for name, load in self._loads.items() if load.in_engine]
        left = max(0, self._budget - self.loaded.memory_bytes - sum(self._needs[name] for name in coming))
        return left if free is None else min(free, left)

    def _evict_over_limit(self) -> None:
        for name in self.loaded.beyond(self._limit):
            self._unload(name)

    def _unload(self, name: str) -> int:
        """Have a model's memory freed; return the bytes it took."""
        log.info("%s leaves the memory", name)
        model = self.loaded.discard(name)
        self._engine.unload(name)
        return model.memory_bytes if model else 0


def _out_of_service(name: str, reason: Message | str) -> ModelUnavailable:
    return ModelUnavailable(message("failed.out_of_service", model=name, reason=reason))
