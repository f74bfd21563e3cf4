from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from plugins.gpt2.protocol import GenerationRequest, Timing
from plugins.gpt2.service.request_state import RequestState
from plugins.gpt2.service.wait_estimate import FIRST_GUESS_S, WaitEstimator

NOW = 100.0
keys = itertools.count(1)


def estimator(rows: int = 1) -> WaitEstimator:
    return WaitEstimator(lambda: NOW, lambda model: rows)


def asked(count: int, running_s: float | None = None) -> RequestState:
    """A request for so many tokens, which has been running for so long, or waits."""
    state = RequestState(next(keys), GenerationRequest("x", count, "m"), submitted=0.0)
    state.begun = None if running_s is None else NOW - running_s
    return state


def took(tokens: int, seconds: float) -> Timing:
    """What a request measured that waited three seconds and then ran for so many."""
    return Timing(3000, 0, None, None, 3000 + seconds * 1000, 1, tokens, 0, "m", "CPU", "int8")


def left(estimator: WaitEstimator, state: RequestState) -> float:
    return estimator.ends(state, {})


def starts(estimator: WaitEstimator, running: Sequence[RequestState], waiting: Sequence[RequestState]) -> list[float]:
    begins = estimator.begins(waiting, running)
    return [begins[state.key] for state in waiting]


def test_before_anything_was_measured_it_is_a_guess_and_says_so() -> None:
    new = estimator()
    assert not new.knows("m")
    assert left(new, asked(100)) == FIRST_GUESS_S
    assert left(new, asked(100, running_s=60)) == 1.0


def test_what_loading_measured_holds_until_a_request_tells_more() -> None:
    told = estimator()
    told.expect("m", 0.1)
    assert told.knows("m")
    assert left(told, asked(50)) == pytest.approx(5)
    told.learn("m", took(100, seconds=30))
    before = left(told, asked(50))
    assert before > 5
    told.expect("m", 0.1)  # loaded again
    assert left(told, asked(50)) == before


def test_what_was_measured_counts_the_latest_most_and_no_time_in_the_queue() -> None:
    told = estimator()
    told.learn("m", took(100, seconds=10))
    assert left(told, asked(50)) == pytest.approx(5)
    assert left(told, asked(50, running_s=3)) == pytest.approx(2)
    told.learn("m", took(100, seconds=30))
    assert left(told, asked(100)) == pytest.approx(15)


def test_a_request_that_ended_before_its_first_token_says_nothing_of_the_speed() -> None:
    told = estimator()
    told.learn("m", took(0, seconds=4))
    assert not told.knows("m")


@pytest.mark.parametrize(("rows", "expected"), [(2, [3, 5, 6]), (3, [0, 2, 3])])
def test_turns_begin_when_rows_become_free(rows: int, expected: list[float]) -> None:
    told = estimator(rows)
    told.learn("m", took(10, seconds=1))  # ten tokens a second
    running = [asked(100, running_s=4), asked(30, running_s=0)]  # 6 s and 3 s are left
    assert starts(told, running, [asked(20), asked(20), asked(20)]) == pytest.approx(expected)


def test_a_model_that_is_busy_delays_nobody_who_waits_for_another() -> None:
    told = estimator()
    other = RequestState(next(keys), GenerationRequest("x", 20, "other"), submitted=0.0)
    assert starts(told, [asked(100, running_s=0)], [other, asked(20)]) == [0, FIRST_GUESS_S]
