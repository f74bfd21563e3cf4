"""When requests are likely to begin and to end, by the speeds measured so far.

Pure arithmetic on seconds. Counts are what was asked for, so a text that ends early only makes the wait shorter.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Sequence

from plugins.gpt2.protocol import GenerationRequest, Timing
from plugins.gpt2.service.request_state import RequestState

FIRST_GUESS_S = 10.0
"""How long a request is taken to run before one was measured."""
WEIGHT = 0.25
"""How much the latest measurement counts against those before."""
LATENESS_WEIGHT = 0.05
WORTH_LEARNING_S = 0.2
MOST_LATE = 5.0


class WaitEstimator:
    """Remembers each model's seconds per token, prompt included, as the requests of late had it.

    ``clock`` is in seconds, ``rows_of`` tells how many requests a model takes at once.
    """

    def __init__(self, clock: Callable[[], float], rows_of: Callable[[str], int]) -> None:
        self._clock = clock
        self._rows_of = rows_of
        self._seconds_per_token: dict[str, float] = {}
        self._lateness = 1.0
        """How many times longer they waited of late who stood behind others of their own server.

        Whoever comes from another server meanwhile is served before them, which their place does not tell.
        """

    def learn_wait(self, expected_s: float, waited_s: float) -> None:
        """Take into account how long somebody waited who stood behind others of their own server.

        ``expected_s`` is what :meth:`begins` without lateness said when they came.
        """
        if expected_s >= WORTH_LEARNING_S:
            late = min(max(waited_s / expected_s, 1.0), MOST_LATE)
            self._lateness += (late - self._lateness) * LATENESS_WEIGHT

    def on_time(self, begin_s: float) -> float:
        """Return when one behind others of its server would begin, did nobody come in between."""
        return begin_s / self._lateness

    def learn(self, model: str, timing: Timing) -> None:
        """Take a finished request into account; one that ended before its first token says nothing of the speed."""
        seconds = (timing.total_ms - timing.queue_ms) / 1000
        if timing.new_tokens < 1 or seconds <= 0:
            return
        latest, before = seconds / timing.new_tokens, self._seconds_per_token.get(model)
        self._seconds_per_token[model] = latest if before is None else before + (latest - before) * WEIGHT

    def expect(self, model: str, step_s: float) -> None:
        """Take what loading a model measured, until a request has told more: seconds of a step.

        A step gives each running request one token.
        """
        self._seconds_per_token.setdefault(model, step_s)

    def knows(self, model: str) -> bool:
        """Tell whether anything was measured of a model."""
        return model in self._seconds_per_token

    def begins(self, waiting: Sequence[RequestState], running: Iterable[RequestState]) -> dict[int, float]:
        """Return in how many seconds each of ``waiting``, in their order, is likely to begin, by key."""
        running = list(running)
        result: dict[int, float] = {}
        of_model: dict[str, list[RequestState]] = {}
        for state in waiting:
            of_model.setdefault(state.request.model, []).append(state)
        for model, its in of_model.items():
            ends = [self._left(state) for state in running if state.request.model == model]
            ends += [0.0] * max(0, self._rows_of(model) - len(ends))
            heapq.heapify(ends)  # when each row is free
            each = self._seconds_per_token.get(model)
            for state in its:  # those who wait have not begun: all their tokens are left
                takes = FIRST_GUESS_S if each is None else each * max(1, state.request.count)
                result[state.key] = begin = ends[0]
                heapq.heapreplace(ends, begin + takes)
        for state in crowded(waiting):
            result[state.key] *= self._lateness
        return result

    def ends(self, state: RequestState, begins: dict[int, float]) -> float:
        """Return in how many seconds a request is likely to end, given what :meth:`begins` returned."""
        return begins.get(state.key, 0.0) + self._left(state)

    def _left(self, state: RequestState) -> float:
        """Return the seconds that a request still has to run, once it runs; never less than one token's."""
        running_s = 0.0 if state.begun is None else self._clock() - state.begun
        each = self._seconds_per_token.get(state.request.model)
        if each is None:
            return max(1.0, FIRST_GUESS_S - running_s)
        return max(each, each * state.request.count - running_s)


def crowded(waiting: Iterable[RequestState]) -> list[RequestState]:
    """Return those who stand behind others of their own server; ``waiting`` is in the order of turns."""
    seen: set[Hashable] = set()
    result = []
    for state in waiting:
        if (server := server_of(state.request)) in seen:
            result.append(state)
        seen.add(server)
    return result


def server_of(request: GenerationRequest) -> Hashable:
    """Return whose turn a request waits for. A direct message has no server: its writer takes turns like one."""
    return request.guild_id if request.guild_id is not None else ("direct", request.user_id)
