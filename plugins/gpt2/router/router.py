"""The one line for many engines: admission, turns and estimates as in one process, and texts that outlive engines.

An engine never queues: rows are counted here. A request whose engine is lost goes to the head of the line with what it
has written; after two lost engines it fails, for it may be what kills them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import (
    EngineFailed,
    EngineStatus,
    Event,
    Finished,
    GenerationError,
    GenerationRequest,
    ModelUnavailable,
    OnProgress,
)
from plugins.gpt2.router.fleet import Engine, Fleet
from plugins.gpt2.router.loads import Loads
from plugins.gpt2.router.writing import Writing
from plugins.gpt2.service.admission import check_request
from plugins.gpt2.service.event_stream import EventStreams, Timeout
from plugins.gpt2.service.model_pool import Coming, PoolEvent, Ready, Unavailable
from plugins.gpt2.service.request_queue import RequestQueue
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.wire.calling import Lost

log = logging.getLogger("townhall.gpt2.router")

ENGINES = 2
"""How many engines may be lost under one request."""


class Router:
    """The line. ``clock`` is in seconds; ``timeout`` goes by it."""

    def __init__(
        self,
        settings: GPT2Settings,
        fleet: Fleet,
        *,
        clock: Callable[[], float] = time.perf_counter,
        timeout: Timeout = asyncio.timeout,
    ) -> None:
        self._settings = settings
        self.fleet = fleet
        self._clock = clock
        self._loads = Loads(fleet, self._hear_of_model)
        self.queue = RequestQueue(settings, clock, rows_of=fleet.rows_of, loading=self._loads.progress)
        announce = lambda: self.queue.announce(again=True)  # noqa: E731 - a name for one argument
        self._streams = EventStreams(settings.deadline_s, announce, clock=clock, timeout=timeout)
        self._keys = itertools.count(1)
        self._open: dict[int, Writing] = {}
        self._again: deque[Writing] = deque()
        """Those whose engine was lost: they have had their turn, so they go first."""
        self.moved = 0
        """How often a text went on elsewhere."""

    @contextlib.asynccontextmanager
    async def admitted(
        self, request: GenerationRequest, *, resumed: bool = False, asker: str = ""
    ) -> AsyncGenerator[AsyncIterator[Event]]:
        """Give a request its place, as ``TextGenerator`` says.

        ``resumed`` is one that had its place at a router that was lost: it needs no other one, and goes on at once
        where something of it is written. ``asker`` names the listener: one that comes again had its connection broken.
        """
        writing = self._admit(request, resumed=resumed, asker=asker)
        try:
            async with contextlib.aclosing(self._streams.of(writing.state)) as events:
                yield events
        finally:
            self._leave(writing)

    async def ensure_model(self, name: str, on_progress: OnProgress | None = None) -> ModelInfo:
        """Have some engine load ``name``; see ``TextGenerator``."""
        self._check_offered(name)
        return await self._loads.load(name, on_progress)

    async def cancel(self, request_id: int) -> bool:
        """End the request that goes by this id, whichever bot asked."""
        wanted = [w for w in self._open.values() if w.state.request.request_id == request_id and not w.state.over]
        for writing in wanted:  # variants of one text are several
            await self._cancel(writing)
        return bool(wanted)

    async def cancel_member(self, user_id: int) -> int:
        """End everything of a member's; return how many requests that were."""
        theirs = [each for each in self._open.values() if each.state.request.user_id == user_id]
        for writing in theirs:
            writing.state.put(EngineFailed(message("failed.cancelled"), writing.state.text))
        return len(theirs)

    def status(self) -> EngineStatus:
        """Return what is known of all engines together."""
        taking = self.fleet.taking
        loaded = {model.info.name: model for engine in taking for model in engine.registration.status.loaded}
        states = [engine.registration.status for engine in taking]
        failures = [state.failure for state in states if state.failure]
        failure = failures[0] if failures and len(failures) == len(states) else None
        newest = next((state for state in states if state.device), None)
        return EngineStatus(
            loaded=tuple(loaded.values()),
            loading=next((state.loading for state in states if state.loading), None),
            running=len(self.queue.running),
            queued=len(self.queue),
            device=newest.device if newest else "",
            dtype=newest.dtype if newest else "",
            failure=failure if states else "No engine is registered at the router.",
            offered=self.fleet.offered,
            out_of_service={k: v for state in states for k, v in state.out_of_service.items() if k not in loaded},
        )

    def dispatch(self) -> None:
        """Give engines what they have rows for: first what lost its engine, then by turns; tell others their places."""
        for _ in range(len(self._again)):
            writing = self._again.popleft()
            if not writing.state.over and not self._begin(writing):
                self._again.append(writing)
        while not self._again and (state := next(self.queue.next_ones(), None)) is not None:
            writing = self._open[state.key]
            if not self._begin(writing):  # rows are counted by engine, too: one that left has taken its own along
                self._again.append(writing)
        self._load_what_is_waited_for()
        self.queue.announce()

    async def close(self) -> None:
        """Leave everyone where they are: their bots go on at another router."""
        await self._loads.close()
        tasks = [writing.task for writing in self._open.values() if writing.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_offered(self, name: str) -> None:
        offered = dict.fromkeys((self._settings.model, *self._settings.allowed_models, *self.fleet.offers))
        if name not in offered:
            models = ", ".join(offered)
            raise ModelUnavailable(message("unavailable.not_offered", model=name[:100], models=models))

    def _admit(self, request: GenerationRequest, *, resumed: bool, asker: str) -> Writing:
        check_request(request, self._settings)
        self._check_offered(request.model)
        if (refusal := self._out_of_service(request.model)) is not None:
            raise refusal
        self._replace(asker)
        if not resumed:
            self.queue.check_share(request, [writing.state for writing in self._open.values()])
        state = RequestState(next(self._keys), request, self._clock())
        writing = self._open[state.key] = Writing(state, self._clock, asker)
        if resumed and request.written:
            state.begun = self._clock()
            self.queue.running[state.key] = state
            self._again.append(writing)
        else:
            self.queue.enqueue(state)
        self.dispatch()
        return writing

    def _out_of_service(self, model: str) -> ModelUnavailable | None:
        """Return why a model serves nowhere until somebody chooses it again; None where it may serve."""
        said = self.status().out_of_service.get(model)
        return None if said is None or model in self._loads else ModelUnavailable(said)

    def _replace(self, asker: str) -> None:
        """End what is open for the same listener: its bot asks again, the connection having broken."""
        for writing in list(self._open.values()):
            if asker and writing.asker == asker:
                writing.state.put(EngineFailed(message("failed.cancelled"), writing.state.text))
                self._leave(writing)

    def _leave(self, writing: Writing) -> None:
        """The listener is gone, whether the text is done or not."""
        if self._open.pop(writing.state.key, None) is None:
            return
        writing.state.over = True
        if writing.task is not None:
            writing.task.cancel()
        elif not self.queue.remove(writing.state):
            self.queue.running.pop(writing.state.key, None)
            self.dispatch()

    async def _cancel(self, writing: Writing) -> None:
        state = writing.state
        if self.queue.remove(state):
            state.put(Finished("cancelled", state.never_began(self._clock(), self.fleet.info_of(state.request.model))))
            return
        writing.cancelled = True
        if writing.engine is not None:
            with contextlib.suppress(Lost):  # its stream will tell
                await writing.engine.caller.ask("DELETE", f"requests/{state.key}")
                return
        state.put(writing.manuscript.finished("cancelled"))

    def _begin(self, writing: Writing) -> bool:
        """Have an engine write; return whether one has a row for it."""
        if (end := writing.manuscript.whole()) is not None:
            self._end(writing, end)
            return True
        engine = self.fleet.choose(writing.state.request)
        if engine is None:
            return False
        engine.busy[writing.state.request.model] += 1
        writing.engine = engine
        writing.task = asyncio.create_task(self._write(writing, engine), name=f"router-{writing.state.key}")
        return True

    async def _write(self, writing: Writing, engine: Engine) -> None:
        state = writing.state
        try:
            async for event in writing.by(engine):
                state.put(event)
                if isinstance(event, Finished):
                    self.queue.estimator.learn(state.request.model, event.timing)
        except GenerationError as error:
            state.put(EngineFailed(error.message, state.text) if isinstance(error, EngineFailed) else error)
        except Lost as error:
            log.warning("engine %s (%s) is lost: %s", engine.name, engine.caller.url, error)
            self.fleet.lose(engine)
            self._lost(writing)
        finally:
            writing.task = writing.engine = None
            engine.busy[state.request.model] -= 1
            if writing not in self._again:
                self.queue.running.pop(state.key, None)
            self.dispatch()

    def _lost(self, writing: Writing) -> None:
        state = writing.state
        writing.losses += 1
        writing.manuscript.lost()
        if writing.cancelled:
            state.put(writing.manuscript.finished("cancelled"))
        elif writing.losses >= ENGINES:
            state.put(EngineFailed(message("failed.engines_lost"), state.text))
        elif not state.over:
            self.moved += 1
            self._again.append(writing)

    def _end(self, writing: Writing, end: Finished) -> None:
        self.queue.running.pop(writing.state.key, None)
        writing.state.put(end)

    def _load_what_is_waited_for(self) -> None:
        for model in {state.request.model for state in self.queue.waiting} | {
            w.state.request.model for w in self._again
        }:
            if self.fleet.rows_of(model) is None:
                if (refusal := self._out_of_service(model)) is not None:
                    self.queue.reject(refusal, model)
                else:
                    self._loads.begin(model)
            elif (info := self.fleet.info_of(model)) is not None and info.step_s is not None:
                self.queue.estimator.expect(model, info.step_s)

    def _hear_of_model(self, event: PoolEvent) -> None:
        match event:
            case Coming(name):
                self.queue.announce_loading(name)
            case Ready(name, info):
                if info.step_s is not None:
                    self.queue.estimator.expect(name, info.step_s)
            case Unavailable(name, error):
                self.queue.reject(error, name)
