"""The asyncio side of the engine, on this machine: admit, queue, stream, cancel. Implements ``TextGenerator``.

A request's way: admission, the fair queue, a free row of its model in the engine thread, events back. The queue lives
here and not in the engine, so that places, limits and cancelling need no thread; the engine only gets what it has a
row for. Here the parts are joined, and none of them knows another::

    service ─→ queue (who waits and runs)
       ├────→ pool (which models are loaded) ─→ engine
       └────→ engine (runs them)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from plugins.gpt2.engine.engine_thread import EngineThread
from plugins.gpt2.engine.notices import EngineStopped, Failed, Notice, RequestEvent
from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import (
    EngineFailed,
    EngineStatus,
    Event,
    Finished,
    GenerationRequest,
    OnProgress,
    TextGenerator,
)
from plugins.gpt2.service.admission import check_request
from plugins.gpt2.service.event_stream import EventStreams, Timeout
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.model_pool import Coming, ModelPool, PoolEvent, Ready, Unavailable
from plugins.gpt2.service.model_source import CheckpointSource, ModelSource
from plugins.gpt2.service.request_queue import RequestQueue
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.machine import memory

log = logging.getLogger("townhall.gpt2.service")

STOP_SECONDS = 10.0
"""How long closing waits for the engine thread; a step that hangs in a driver must not hold up the end."""
IDLE_CHECK_S = 30.0
"""How often idle models are looked for, at most."""


class GPT2Service(TextGenerator):
    """Continues texts with the models of this machine.

    ``catalog`` says which models the host allows, and ``source`` where they come from. ``clock`` is in seconds and
    shared with the engine; ``timeout`` goes by it. ``available_memory`` returns the free bytes, None where not known.
    """

    def __init__(
        self,
        settings: GPT2Settings,
        source: ModelSource | None = None,
        *,
        catalog: ModelCatalog | None = None,
        clock: Callable[[], float] = time.perf_counter,
        timeout: Timeout = asyncio.timeout,
        available_memory: Callable[[], int | None] = memory.available_bytes,
    ) -> None:
        self._settings = settings
        self._catalog = catalog or ModelCatalog(settings)
        self._clock = clock
        self._timeout = timeout

        def available() -> int | None:
            plan = settings.known_plan()
            return available_memory() if plan is not None and plan.is_cpu else None  # a GPU's memory is not known

        self._engine = EngineThread(self._hear, clock=clock)
        self._pool = ModelPool(
            self._engine,
            source or CheckpointSource(settings),
            self._hear_of_model,
            limit=settings.loaded_models,
            available=available,
            budget=settings.memory_budget,
            clock=clock,
        )
        self._queue = RequestQueue(settings, clock, rows_of=self._pool.rows, loading=self._pool.progress)
        self._streams = EventStreams(
            settings.deadline_s, lambda: self._queue.announce(again=True), clock=clock, timeout=timeout
        )
        self._keys = itertools.count(1)
        self._open: dict[int, RequestState] = {}
        self._all_left = asyncio.Event()
        self._engine_stopped = asyncio.Event()
        self._draining = False
        self._ended: Message | None = None
        self._idling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the engine thread and begin to load the default model; returns before it is there."""
        self._engine.start(asyncio.get_running_loop())
        self._pool.begin(self._settings.model)
        if self._settings.idle_s:
            self._idling = asyncio.create_task(self._evict_idle(), name="gpt2-idle")

    @contextlib.asynccontextmanager
    async def admitted(self, request: GenerationRequest) -> AsyncGenerator[AsyncIterator[Event]]:
        """Give a request its place, and its events as they come; see ``TextGenerator``."""
        state = self._admit(request)
        try:
            async with contextlib.aclosing(self._streams.of(state)) as events:
                yield events
        finally:
            self._leave(state)

    async def ensure_model(self, name: str, on_progress: OnProgress | None = None) -> ModelInfo:
        """Load ``name`` unless it is loaded; see ``TextGenerator``."""
        self._check_alive()
        self._catalog.check(name)
        return await self._pool.load(name, on_progress)

    def status(self) -> EngineStatus:
        """Return a snapshot, from what is known on the event loop."""
        newest = self._pool.loaded.newest
        failure = self._ended or self._pool.failure(self._settings.model)
        return EngineStatus(
            loaded=self._pool.loaded.serving,
            loading=self._pool.loading,
            running=len(self._queue.running),
            queued=len(self._queue),
            device=newest.info.device if newest else "",
            dtype=newest.info.dtype if newest else "",
            failure=None if failure is None else str(failure),
            out_of_service=self._pool.out_of_service(),
        )

    async def cancel(self, request_id: int) -> bool:
        """End what goes by this id; return whether it was waiting or running."""
        found = [each for each in self._open.values() if each.request.request_id == request_id and not each.over]
        for state in found:
            if self._queue.remove(state):
                loaded = self._pool.loaded.get(state.request.model)
                state.put(Finished("cancelled", state.never_began(self._clock(), loaded.info if loaded else None)))
            else:
                self._engine.cancel(state.key)
        return bool(found)

    async def cancel_member(self, user_id: int) -> int:
        """End everything that a member has waiting or running; return how many requests that were."""
        theirs = [state for state in self._open.values() if state.request.user_id == user_id]
        for state in theirs:
            state.put(EngineFailed(message("failed.cancelled"), state.text))
        return len(theirs)

    async def drain(self) -> None:
        """Take nothing new, send away those who wait, and return when everyone who runs is done."""
        self._draining = True
        self._queue.reject(EngineFailed(message("failed.draining")))
        if self._open:
            self._all_left.clear()
            await self._all_left.wait()

    async def close(self) -> None:
        """Fail what waits and runs, stop the thread, free the memory."""
        if self._ended is None:
            self._end(message("failed.stopping"))
        if self._idling is not None:
            self._idling.cancel()
        await self._pool.close()
        self._engine.stop()
        if not self._engine.alive:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):  # not joined: that takes a thread, and there may be none
                await self._engine_stopped.wait()
        except TimeoutError:
            log.error("the engine thread did not end within %.0f s and is left behind", STOP_SECONDS)

    def _admit(self, request: GenerationRequest) -> RequestState:
        self._check_alive()
        check_request(request, self._settings)
        self._catalog.check(request.model)
        self._pool.check(request.model)
        self._queue.check_share(request, self._open.values())
        state = RequestState(next(self._keys), request, self._clock())
        self._open[state.key] = state
        self._queue.enqueue(state)
        self._pool.hold(request.model)
        self._dispatch()
        return state

    def _leave(self, state: RequestState) -> None:
        """The listener is gone, whether the text is done or not."""
        del self._open[state.key]
        if not self._open:
            self._all_left.set()
        if not self._queue.remove(state) and state.key in self._queue.running:
            self._engine.cancel(state.key)
        self._release(state)

    def _release(self, state: RequestState) -> None:
        """Let a request's model go, once neither the listener nor the engine has to do with it any more."""
        if state.key not in self._open and state.key not in self._queue.running:
            self._pool.release(state.request.model)

    def _dispatch(self) -> None:
        """Give the engine as many requests as it has rows for, in their order, and tell the others their places."""
        for state in self._queue.next_ones():
            self._engine.submit(state.key, state.request, state.submitted)
        self._queue.announce()

    def _hear(self, notices: Sequence[Notice]) -> None:
        """Take what the engine says."""
        for notice in notices:
            match notice:
                case RequestEvent() | Failed():
                    if (ended := self._queue.hear(notice)) is not None:
                        self._release(ended)
                case EngineStopped(reason):
                    self._engine_stopped.set()
                    self._end(message("failed.engine_stopped", reason=reason))
                case _:
                    self._pool.hear(notice)
        self._dispatch()

    def _hear_of_model(self, event: PoolEvent) -> None:
        """Take what the pool says."""
        match event:
            case Coming(name):
                self._queue.announce_loading(name)
            case Ready(name, info):
                if info.step_s is not None:
                    self._queue.estimator.expect(name, info.step_s)
            case Unavailable(name, error):
                self._queue.reject(error, name)
        self._dispatch()

    async def _evict_idle(self) -> None:
        forever = asyncio.Event()
        while True:
            with contextlib.suppress(TimeoutError):
                async with self._timeout(min(IDLE_CHECK_S, max(self._settings.idle_s, 0.05))):
                    await forever.wait()
            self._pool.evict_idle(self._settings.idle_s)

    def _end(self, reason: Message) -> None:
        """Tell everyone that nothing comes any more."""
        if self._ended is None:
            self._ended = reason
        for state in self._open.values():
            state.put(EngineFailed(reason, state.text))
        self._pool.stop(reason)

    def _check_alive(self) -> None:
        if self._ended is not None:
            raise EngineFailed(self._ended)
        if self._draining:
            raise EngineFailed(message("failed.draining"))
