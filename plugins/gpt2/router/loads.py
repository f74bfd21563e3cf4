"""Models that no engine has yet and somebody waits for: one engine is asked to load each, and everyone hears of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import EngineFailed, ModelUnavailable, OnProgress
from plugins.gpt2.router.fleet import Engine, Fleet
from plugins.gpt2.service.model_load import ModelLoad
from plugins.gpt2.service.model_pool import Coming, PoolEvent, Ready, Unavailable
from plugins.gpt2.wire.calling import Lost
from plugins.gpt2.wire.events import Loaded, Progress

log = logging.getLogger("townhall.gpt2.router")


class Loads:
    """Has models loaded. ``tell`` hears what becomes of each, as of a local pool."""

    def __init__(self, fleet: Fleet, tell: Callable[[PoolEvent], None]) -> None:
        self._fleet = fleet
        self._tell = tell
        self._loads: dict[str, ModelLoad] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, model: str) -> bool:
        """Tell whether a model is on its way."""
        return model in self._loads

    def progress(self, model: str) -> Message | None:
        """Return the last line of progress of a model; where no engine can load it yet, that one is waited for."""
        if self._fleet.rows_of(model) is not None:
            return None
        load = self._loads.get(model)
        return message("progress.no_engine") if load is None else load.line

    def begin(self, model: str) -> ModelLoad | None:
        """Have a model loaded, unless it is on its way; None where no engine can."""
        if (load := self._loads.get(model)) is None:
            engine = self._fleet.to_load(model)
            if engine is None:
                return None
            load = self._loads[model] = ModelLoad(model, lambda: self._tell(Coming(model)))
            self._tasks[model] = asyncio.create_task(self._run(load, engine), name=f"router-load-{model}")
        return load

    async def load(self, model: str, on_progress: OnProgress | None) -> ModelInfo:
        """Return a model's facts once it serves. Raises :class:`ModelUnavailable`."""
        if (info := self._fleet.info_of(model)) is not None:
            return info
        load = self.begin(model)
        if load is None:
            raise ModelUnavailable(message("unavailable.no_engine", model=model))
        return await load.wait(on_progress)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, load: ModelLoad, engine: Engine) -> None:
        outcome: ModelInfo | ModelUnavailable | None = None
        try:
            outcome = await self._asked(load, engine)
            other = self._fleet.to_load(load.name)
            if outcome is None and other is not None and other is not engine:
                load.tell(message("progress.looking", model=load.name))
                outcome = await self._asked(load, other)
        finally:
            del self._loads[load.name], self._tasks[load.name]
        # Two lost engines are enough: the model may be what kills them.
        outcome = outcome or ModelUnavailable(message("unavailable.engine_lost", model=load.name))
        load.end(outcome)
        if isinstance(outcome, ModelUnavailable):
            self._tell(Unavailable(load.name, outcome))
        else:
            self._tell(Ready(load.name, outcome))

    async def _asked(self, load: ModelLoad, engine: Engine) -> ModelInfo | ModelUnavailable | None:
        """Have one engine load a model; return what came of it, None where the engine is lost."""
        try:
            async with aclosing(engine.caller.told("models", {"model": load.name})) as told:
                async for event in told:
                    if isinstance(event, Progress):
                        load.tell(event.line)
                    elif isinstance(event, Loaded):
                        return event.info
        except ModelUnavailable as said:
            return said
        except EngineFailed as said:
            return ModelUnavailable(said.message)
        except Lost as how:
            log.warning("engine %s (%s) is lost while it loads %s: %s", engine.name, engine.caller.url, load.name, how)
            self._fleet.lose(engine)
        return None
