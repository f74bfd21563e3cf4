"""The asyncio side of the engine: admit, queue, stream, cancel, fetch models. Implements ``TextGenerator``.

A request's way: admission, the fair queue, a free row of its model in the engine thread, events back. The queue lives
here and not in the engine, so that places, limits and cancelling need no thread; the engine only gets what it has a
row for.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence

from plugins.gpt2.engine.engine_thread import EngineThread
from plugins.gpt2.engine.notices import EngineStopped, Failed, Loaded, Loading, Notice, NotLoaded, RequestEvent
from plugins.gpt2.formatting import duration
from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import (
    DeadlineExceeded,
    EngineFailed,
    EngineStatus,
    Event,
    Finished,
    GenerationError,
    GenerationRequest,
    ModelUnavailable,
)
from plugins.gpt2.service.admission import check_request
from plugins.gpt2.service.fetching import ModelLoading
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.model_pool import Listener, ModelPool
from plugins.gpt2.service.model_source import CheckpointSource, ModelSource
from plugins.gpt2.service.request_queue import RequestQueue
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.settings import GPT2Settings
from townhall_bot import memory

log = logging.getLogger("townhall.gpt2.service")

STOP_SECONDS = 10.0
"""How long closing waits for the engine thread; a step that hangs in a driver must not hold up the end."""
IDLE_CHECK_S = 30.0
QUEUE_NEWS_S = 5.0
"""How often who waits hears a new estimate, even where the place is the same."""


class GPT2Service:
    """Continues texts with the models of this machine. ``clock`` is in seconds and shared with the engine."""

    def __init__(
        self,
        settings: GPT2Settings,
        source: ModelSource | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        available_memory: Callable[[], int | None] = memory.available_bytes,
    ) -> None:
        self.settings = settings
        self.catalog = ModelCatalog(settings)
        self._clock = clock

        def available() -> int | None:
            plan = settings.known_plan()
            return available_memory() if plan is not None and plan.is_cpu else None  # a GPU's memory is not known

        self._engine = EngineThread(self._hear, clock=clock)
        self._pool = ModelPool(
            self._engine,
            source or CheckpointSource(settings),
            limit=settings.loaded_models,
            in_use=self._in_use,
            available=available,
            budget=settings.memory_budget,
            clock=clock,
        )
        self._keys = itertools.count(1)
        self._queue = RequestQueue(settings, clock, self._rows_of)
        self._open: dict[int, RequestState] = {}
        self._fetching = ModelLoading(self._pool, self._queue, settings.model, self._dispatch)
        self._idling: asyncio.Task[None] | None = None
        self._all_left = asyncio.Event()
        self._draining = False
        self._ended: Message | None = None

    @property
    def failure(self) -> str | None:
        """Why nothing can be generated, or not with the default model; None where all is well."""
        if self._ended is not None:
            return str(self._ended)
        reason = self._fetching.default_failed or self._pool.out_of_service(self.settings.model)
        return None if reason is None else str(reason)

    async def start(self) -> None:
        """Start the engine thread and begin to load the default model; returns before it is there."""
        self._engine.start(asyncio.get_running_loop())
        self._fetching.soon(self.settings.model)
        if self.settings.idle_s:
            self._idling = asyncio.create_task(self._watch_idle(), name="gpt2-idle")

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event]:
        """Yield events until Finished; see ``TextGenerator``. Closing the iterator cancels."""
        with self.admitted(request) as events:
            async for event in events:
                yield event

    @contextlib.contextmanager
    def admitted(self, request: GenerationRequest) -> Iterator[AsyncIterator[Event]]:
        """Give a request its place at once, and its events as they come; leaving the block cancels.

        Raises the :class:`GenerationError` that says why it gets none.
        """
        state = self._admit(request)
        try:
            yield self._events(state)
        finally:
            self._leave(state)

    async def ensure_model(self, name: str, on_progress: Listener | None = None) -> ModelInfo:
        """Load ``name`` unless it is loaded; ``on_progress`` hears a line now and then, on the event loop.

        Raises :class:`ModelUnavailable` with the reason. What serves already goes on serving.
        """
        self._check_alive()
        self.catalog.check(name)
        return await self._pool.fetch(name, on_progress)

    async def status(self) -> EngineStatus:
        """Return a snapshot, from what is known on the event loop."""
        loaded = self._pool.loaded
        newest = max(loaded.values(), key=lambda model: model.last_use, default=None)
        return EngineStatus(
            models=tuple(loaded),
            loading=self._pool.loading,
            running=len(self._queue.running),
            queued=len(self._queue),
            device=newest.info.device if newest else "",
            dtype=newest.info.dtype if newest else "",
        )

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """How many requests the engine has."""
        return len(self._queue.running)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are loaded."""
        return tuple(self._pool.loaded)

    def progress(self, model: str) -> Message | None:
        """Return how far the loading of ``model`` is; None where it is not being loaded."""
        return self._pool.progress(model)

    def cancel(self, request_id: int) -> bool:
        """End the request that goes by this id: it still gets its Finished, with what was measured.

        Returns whether it was waiting or running.
        """
        for state in self._open.values():
            if state.request.request_id == request_id and not state.over:
                if self._queue.remove(state):
                    loaded = self._pool.loaded.get(state.request.model)
                    state.put(Finished("cancelled", state.never_began(self._clock(), loaded.info if loaded else None)))
                else:
                    self._engine.cancel(state.key)
                return True
        return False

    def cancel_member(self, user_id: int) -> int:
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
        """Cancel what runs, stop the thread, free the memory."""
        if self._ended is None:
            self._end(message("failed.stopping"))
        if self._idling is not None:
            self._idling.cancel()
        await self._fetching.close()
        await self._pool.close()
        self._engine.stop()
        if not await asyncio.to_thread(self._engine.join, STOP_SECONDS):
            log.error("the engine thread did not end within %.0f s and is left behind", STOP_SECONDS)

    def _admit(self, request: GenerationRequest) -> RequestState:
        self._check_alive()
        check_request(request, self.settings)
        self.catalog.check(request.model)
        if reason := self._pool.out_of_service(request.model):
            raise _out_of_service(request.model, reason)
        self._queue.check_share(request, self._open.values())
        state = RequestState(next(self._keys), request, self._clock())
        self._open[state.key] = state
        self._queue.enqueue(state)
        if self._pool.touch(request.model) is None:
            self._fetching.soon(request.model)
        self._dispatch()
        return state

    async def _events(self, state: RequestState) -> AsyncIterator[Event]:
        event: Event | None = None
        while not isinstance(event, Finished):
            left = max(0.0, state.submitted + self.settings.deadline_s - self._clock())
            try:
                event = await state.get(within=left if state.begun else min(left, QUEUE_NEWS_S))
            except TimeoutError:
                if left <= QUEUE_NEWS_S:
                    raise self._too_late(state) from None
                self._queue.announce(again=True)
                continue
            yield event

    def _leave(self, state: RequestState) -> None:
        """The listener is gone, whether the text is done or not."""
        del self._open[state.key]
        if not self._open:
            self._all_left.set()
        if not self._queue.remove(state) and state.key in self._queue.running:
            self._engine.cancel(state.key)
        self._pool.touch(state.request.model)
        self._pool.evict_over_limit()

    def _dispatch(self) -> None:
        """Give the engine as many requests as it has rows for, in their order, and tell the others their places."""
        for state in self._queue.next_ones():
            self._engine.submit(state.key, state.request, state.submitted)
        self._queue.announce()

    def _rows_of(self, model: str) -> int | None:
        loaded = self._pool.touch(model)
        return loaded.rows if loaded else None

    def _hear(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            match notice:
                case RequestEvent(key, event):
                    if state := self._queue.running.get(key):
                        state.put(event)
                        if isinstance(event, Finished):
                            self._queue.estimator.learn(state.request.model, event.timing)
                            del self._queue.running[key]
                case Failed(key, error):
                    if state := self._queue.running.pop(key, None):
                        state.put(error)
                case Loading(name):
                    self._pool.hear(notice)
                    self._queue.announce_loading(name)
                case Loaded(name, info):
                    self._pool.hear(notice)
                    self._fetching.came(name)
                    if info.step_s is not None:
                        self._queue.estimator.expect(name, info.step_s)
                case NotLoaded(name):
                    self._pool.hear(notice)
                    if reason := self._pool.out_of_service(name):
                        self._queue.reject(_out_of_service(name, reason), name)
                case EngineStopped(reason):
                    self._end(message("failed.engine_stopped", reason=reason))
        self._dispatch()
        self._pool.evict_over_limit()

    async def _watch_idle(self) -> None:
        while True:
            await asyncio.sleep(min(IDLE_CHECK_S, max(self.settings.idle_s, 0.05)))
            self._pool.evict_idle(self.settings.idle_s)

    def _end(self, reason: Message) -> None:
        if self._ended is None:
            self._ended = reason
        self._pool.engine_lost(reason)
        for state in self._open.values():
            state.put(EngineFailed(reason, state.text))

    def _check_alive(self) -> None:
        if self._ended is not None:
            raise EngineFailed(self._ended)
        if self._draining:
            raise EngineFailed(message("failed.draining"))

    def _in_use(self, model: str) -> bool:
        states = itertools.chain(self._open.values(), self._queue.running.values())
        return any(state.request.model == model for state in states)

    def _too_late(self, state: RequestState) -> GenerationError:
        name = "failed.too_long" if state.key in self._queue.running else "failed.waited_too_long"
        return DeadlineExceeded(message(name, limit=duration(self.settings.deadline_s)))


def _out_of_service(model: str, reason: Message | str) -> ModelUnavailable:
    return ModelUnavailable(message("failed.out_of_service", model=model, reason=reason))
