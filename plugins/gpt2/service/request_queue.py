"""Who waits and who runs: each one's place, the time until its turn, and who is next when a row is free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from plugins.gpt2.engine.notices import Failed, RequestEvent
from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import Finished, GenerationError, GenerationRequest, Queued
from plugins.gpt2.service.admission import Queue, check_share
from plugins.gpt2.service.fair_queue import FairQueue
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.service.wait_estimate import WaitEstimator, crowded, server_of
from plugins.gpt2.settings import GPT2Settings


class RequestQueue:
    """The queue, and the requests that the engine has. Tells those who wait where they stand.

    ``clock`` is in seconds. ``rows_of`` returns how many requests a model takes at once, None where it is not loaded;
    ``loading`` how far it is, where it is on its way.
    """

    def __init__(
        self,
        settings: GPT2Settings,
        clock: Callable[[], float],
        *,
        rows_of: Callable[[str], int | None],
        loading: Callable[[str], Message | None],
    ) -> None:
        self.running: dict[int, RequestState] = {}
        """What the engine has, by key."""
        self.estimator = WaitEstimator(clock, lambda model: rows_of(model) or settings.rows)
        self._settings = settings
        self._clock = clock
        self._rows_of = rows_of
        self._loading = loading
        self._queue: FairQueue[RequestState] = FairQueue()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def waiting(self) -> list[RequestState]:
        """Those who wait, in the order of their turns."""
        return self._queue.order()

    def check_share(self, request: GenerationRequest, opened: Iterable[RequestState]) -> None:
        """Raise :class:`Busy` where one more would be too many; ``opened`` are all that wait or run."""
        begins = self.estimator.begins(self._queue.order(), self.running.values())
        ends = [(state.request, self.estimator.ends(state, begins)) for state in opened]
        check_share(request, ends, Queue(len(self), min(begins.values(), default=0.0)), self._settings)

    def enqueue(self, state: RequestState) -> None:
        """Let a request wait for its turn."""
        self._queue.push(server_of(state.request), state.request.user_id, state)

    def remove(self, state: RequestState) -> bool:
        """Take out a request that waits, and tell the others; return whether it was one."""
        waited = self._queue.remove(state)
        if waited:
            self.announce()
        return waited

    def next_ones(self) -> Iterator[RequestState]:
        """Yield those whose turn has come, as far as their models have free rows; they run from then on."""
        busy = Counter(state.request.model for state in self.running.values())

        def has_row(state: RequestState) -> bool:
            return busy[state.request.model] < (self._rows_of(state.request.model) or 0)

        while (state := self._queue.pop(has_row)) is not None:
            busy[state.request.model] += 1
            self.running[state.key] = state
            state.begun = self._clock()
            if state.expected_s is not None:
                self.estimator.learn_wait(state.expected_s, state.begun - state.submitted)
            yield state

    def hear(self, notice: RequestEvent | Failed) -> RequestState | None:
        """Take what the engine says about a request; return the request where that was its end."""
        state = self.running.get(notice.key)
        if state is None:
            return None
        news = notice.event if isinstance(notice, RequestEvent) else notice.error
        state.put(news)
        if not isinstance(news, Finished | GenerationError):
            return None
        if isinstance(news, Finished):
            self.estimator.learn(state.request.model, news.timing)
        del self.running[notice.key]
        return state

    def announce(self, *, again: bool = False) -> None:
        """Tell those who wait their place where it changed; ``again`` repeats it with a new estimate."""
        order = self._queue.order()
        begins = self.estimator.begins(order, self.running.values())
        # Looked up once a model: thousands may wait, each at every departure.
        models = {state.request.model for state in order}
        told = {model: (self.estimator.knows(model), self._loading(model)) for model in models}
        for state in crowded(order):
            if state.ahead is None:
                state.expected_s = self.estimator.on_time(begins[state.key])
        for ahead, state in enumerate(order):
            if again or state.ahead != ahead:
                known, loading = told[state.request.model]
                state.ahead = ahead
                state.put(Queued(ahead, begins[state.key] if known else None, loading))

    def announce_loading(self, model: str) -> None:
        """Repeat the place of those who wait for ``model``: there is news of its loading."""
        for state in self._queue.order():
            if state.request.model == model and state.ahead is not None:
                state.put(Queued(state.ahead, loading=self._loading(model)))  # the wait until it is there is not known

    def reject(self, error: GenerationError, model: str | None = None) -> None:
        """End all who wait, or those who wait for ``model``."""
        for state in self._queue.order():
            if model in (None, state.request.model):
                self._queue.remove(state)
                state.put(error)
