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
from plugins.gpt2.messages import Said, say
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
from plugins.gpt2.service.fetching import Fetching
from plugins.gpt2.service.model_catalog import Catalogue
from plugins.gpt2.service.model_pool import Listener, Shelf
from plugins.gpt2.service.model_source import CheckpointSource, ModelSource
from plugins.gpt2.service.request_queue import Line
from plugins.gpt2.service.request_state import Ticket
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
        self.catalogue = Catalogue(settings)
        self._clock = clock
        self._engine = EngineThread(self._hear, clock=clock)
        self._shelf = Shelf(
            self._engine,
            source or CheckpointSource(settings),
            limit=settings.loaded_models,
            in_use=self._in_use,
            available=available_memory if settings.on_cpu else lambda: None,
            budget=settings.memory_budget,
            clock=clock,
        )
        self._keys = itertools.count(1)
        self._line = Line(settings, clock, self._rows_of)
        self._open: dict[int, Ticket] = {}
        self._fetching = Fetching(self._shelf, self._line, settings.model, self._dispatch)
        self._idling: asyncio.Task[None] | None = None
        self._all_left = asyncio.Event()
        self._draining = False
        self._ended: Said | None = None

    @property
    def failure(self) -> str | None:
        """Why nothing can be generated, or not with the default model; None where all is well."""
        if self._ended is not None:
            return str(self._ended)
        reason = self._fetching.default_failed or self._shelf.out_of_service(self.settings.model)
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
        ticket = self._admit(request)
        try:
            yield self._events(ticket)
        finally:
            self._leave(ticket)

    async def ensure_model(self, name: str, on_progress: Listener | None = None) -> ModelInfo:
        """Load ``name`` unless it is loaded; ``on_progress`` hears a line now and then, on the event loop.

        Raises :class:`ModelUnavailable` with the reason. What serves already goes on serving.
        """
        self._check_alive()
        self.catalogue.check(name)
        return await self._shelf.fetch(name, on_progress)

    async def status(self) -> EngineStatus:
        """Return a snapshot, from what is known on the event loop."""
        loaded = self._shelf.loaded
        newest = max(loaded.values(), key=lambda model: model.last_use, default=None)
        return EngineStatus(
            models=tuple(loaded),
            loading=self._shelf.loading,
            running=len(self._line.running),
            queued=len(self._line),
            device=newest.info.device if newest else "",
            dtype=newest.info.dtype if newest else "",
        )

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._line)

    @property
    def running(self) -> int:
        """How many requests the engine has."""
        return len(self._line.running)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are loaded."""
        return tuple(self._shelf.loaded)

    def progress(self, model: str) -> Said | None:
        """Return how far the loading of ``model`` is; None where it is not being loaded."""
        return self._shelf.progress(model)

    def cancel(self, request_id: int) -> bool:
        """End the request that goes by this id: it still gets its Finished, with what was measured.

        Returns whether it was waiting or running.
        """
        for ticket in self._open.values():
            if ticket.request.request_id == request_id and not ticket.over:
                if self._line.leave(ticket):
                    loaded = self._shelf.loaded.get(ticket.request.model)
                    ticket.put(
                        Finished("cancelled", ticket.never_began(self._clock(), loaded.info if loaded else None))
                    )
                else:
                    self._engine.cancel(ticket.key)
                return True
        return False

    def cancel_member(self, user_id: int) -> int:
        """End everything that a member has waiting or running; return how many requests that were."""
        theirs = [ticket for ticket in self._open.values() if ticket.request.user_id == user_id]
        for ticket in theirs:
            ticket.put(EngineFailed(say("failed.cancelled"), ticket.text))
        return len(theirs)

    async def drain(self) -> None:
        """Take nothing new, send away those who wait, and return when everyone who runs is done."""
        self._draining = True
        self._line.send_away(EngineFailed(say("failed.draining")))
        if self._open:
            self._all_left.clear()
            await self._all_left.wait()

    async def close(self) -> None:
        """Cancel what runs, stop the thread, free the memory."""
        if self._ended is None:
            self._end(say("failed.stopping"))
        if self._idling is not None:
            self._idling.cancel()
        await self._fetching.close()
        await self._shelf.close()
        self._engine.stop()
        if not await asyncio.to_thread(self._engine.join, STOP_SECONDS):
            log.error("the engine thread did not end within %.0f s and is left behind", STOP_SECONDS)

    def _admit(self, request: GenerationRequest) -> Ticket:
        self._check_alive()
        check_request(request, self.settings)
        self.catalogue.check(request.model)
        if reason := self._shelf.out_of_service(request.model):
            raise _out_of_service(request.model, reason)
        self._line.check_share(request, self._open.values())
        ticket = Ticket(next(self._keys), request, self._clock())
        self._open[ticket.key] = ticket
        self._line.join(ticket)
        if self._shelf.use(request.model) is None:
            self._fetching.soon(request.model)
        self._dispatch()
        return ticket

    async def _events(self, ticket: Ticket) -> AsyncIterator[Event]:
        event: Event | None = None
        while not isinstance(event, Finished):
            left = max(0.0, ticket.submitted + self.settings.deadline_s - self._clock())
            try:
                event = await ticket.get(within=left if ticket.begun else min(left, QUEUE_NEWS_S))
            except TimeoutError:
                if left <= QUEUE_NEWS_S:
                    raise self._too_late(ticket) from None
                self._line.announce(again=True)
                continue
            yield event

    def _leave(self, ticket: Ticket) -> None:
        """The listener is gone, whether the text is done or not."""
        del self._open[ticket.key]
        if not self._open:
            self._all_left.set()
        if not self._line.leave(ticket) and ticket.key in self._line.running:
            self._engine.cancel(ticket.key)
        self._shelf.use(ticket.request.model)
        self._shelf.trim()

    def _dispatch(self) -> None:
        """Give the engine as many requests as it has rows for, in their order, and tell the others their places."""
        for ticket in self._line.next_ones():
            self._engine.submit(ticket.key, ticket.request, ticket.submitted)
        self._line.announce()

    def _rows_of(self, model: str) -> int | None:
        loaded = self._shelf.use(model)
        return loaded.rows if loaded else None

    def _hear(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            match notice:
                case RequestEvent(key, event):
                    if ticket := self._line.running.get(key):
                        ticket.put(event)
                        if isinstance(event, Finished):
                            self._line.forecast.learn(ticket.request.model, event.timing)
                            del self._line.running[key]
                case Failed(key, error):
                    if ticket := self._line.running.pop(key, None):
                        ticket.put(error)
                case Loading(name):
                    self._shelf.hear(notice)
                    self._line.announce_loading(name)
                case Loaded(name, info):
                    self._shelf.hear(notice)
                    self._fetching.came(name)
                    if info.step_s is not None:
                        self._line.forecast.expect(name, info.step_s)
                case NotLoaded(name):
                    self._shelf.hear(notice)
                    if reason := self._shelf.out_of_service(name):
                        self._line.send_away(_out_of_service(name, reason), name)
                case EngineStopped(reason):
                    self._end(say("failed.engine_stopped", reason=reason))
        self._dispatch()
        self._shelf.trim()

    async def _watch_idle(self) -> None:
        while True:
            await asyncio.sleep(min(IDLE_CHECK_S, max(self.settings.idle_s, 0.05)))
            self._shelf.leave_idle(self.settings.idle_s)

    def _end(self, reason: Said) -> None:
        if self._ended is None:
            self._ended = reason
        self._shelf.engine_lost(reason)
        for ticket in self._open.values():
            ticket.put(EngineFailed(reason, ticket.text))

    def _check_alive(self) -> None:
        if self._ended is not None:
            raise EngineFailed(self._ended)
        if self._draining:
            raise EngineFailed(say("failed.draining"))

    def _in_use(self, model: str) -> bool:
        tickets = itertools.chain(self._open.values(), self._line.running.values())
        return any(ticket.request.model == model for ticket in tickets)

    def _too_late(self, ticket: Ticket) -> GenerationError:
        name = "failed.too_long" if ticket.key in self._line.running else "failed.waited_too_long"
        return DeadlineExceeded(say(name, limit=duration(self.settings.deadline_s)))


def _out_of_service(model: str, reason: Said | str) -> ModelUnavailable:
    return ModelUnavailable(say("failed.out_of_service", model=model, reason=reason))
