"""When requests are likely to begin and to end, for those who ask how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from plugins.gpt2.protocol import Timing
from plugins.gpt2.service.pace import Pace, Work
from plugins.gpt2.service.request_state import RequestState


class WaitEstimator:
    """Learns from what requests took. ``clock`` is in seconds, ``rows_of`` tells a model's places."""

    def __init__(self, clock: Callable[[], float], rows_of: Callable[[str], int]) -> None:
        self._pace = Pace()
        self._clock = clock
        self._rows_of = rows_of

    def learn(self, model: str, timing: Timing) -> None:
        """Take a finished request into account."""
        self._pace.note(model, timing.new_tokens, (timing.total_ms - timing.queue_ms) / 1000)

    def expect(self, model: str, step_s: float) -> None:
        """Take what loading a model measured: seconds of a step that gives each running request one token."""
        self._pace.expect(model, step_s)

    def knows(self, state: RequestState) -> bool:
        """Tell whether anything was measured of the state's model."""
        return self._pace.known(state.request.model)

    def begins(self, waiting: Sequence[RequestState], running: Iterable[RequestState]) -> dict[int, float]:
        """Return in how many seconds each of ``waiting``, in their order, is likely to begin, by key."""
        running = list(running)
        result: dict[int, float] = {}
        for model in {state.request.model for state in waiting}:
            mine = [state for state in waiting if state.request.model == model]
            ahead = [self._work(state) for state in running if state.request.model == model]
            starts = self._pace.starts(ahead, [self._work(state) for state in mine], self._rows_of(model))
            result |= {state.key: start for state, start in zip(mine, starts, strict=True)}
        return result

    def ends(self, state: RequestState, begins: dict[int, float]) -> float:
        """Return in how many seconds a request is likely to end, given what :meth:`begins` returned."""
        return begins.get(state.key, 0.0) + self._pace.left(self._work(state))

    def _work(self, state: RequestState) -> Work:
        running_s = 0.0 if state.begun is None else self._clock() - state.begun
        return Work(state.request.model, state.request.count, running_s)
