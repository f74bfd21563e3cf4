from __future__ import annotations

import pytest

from plugins.gpt2.service.pace import FIRST_GUESS_S, Pace, Work


def test_before_anything_was_measured_it_is_a_guess_and_says_so() -> None:
    pace = Pace()
    assert not pace.known("m")
    assert pace.left(Work("m", 100)) == FIRST_GUESS_S
    assert pace.left(Work("m", 100, running_s=60)) == 1.0


def test_what_loading_measured_holds_until_a_request_tells_more() -> None:
    pace = Pace()
    pace.expect("m", 0.1)
    assert pace.known("m")
    assert pace.left(Work("m", 50)) == pytest.approx(5)
    pace.note("m", tokens=100, seconds=30)
    before = pace.left(Work("m", 50))
    assert before > 5
    pace.expect("m", 0.1)  # loaded again
    assert pace.left(Work("m", 50)) == before


def test_what_was_measured_counts_the_latest_most() -> None:
    pace = Pace()
    pace.note("m", tokens=100, seconds=10)
    assert pace.left(Work("m", 50)) == pytest.approx(5)
    assert pace.left(Work("m", 50, running_s=3)) == pytest.approx(2)
    pace.note("m", tokens=100, seconds=30)
    assert pace.left(Work("m", 100)) == pytest.approx(15)


def test_a_request_that_ended_before_its_first_token_says_nothing_of_the_speed() -> None:
    pace = Pace()
    pace.note("m", tokens=0, seconds=4)
    assert not pace.known("m")


def test_turns_begin_when_places_become_free() -> None:
    pace = Pace()
    pace.note("m", tokens=10, seconds=1)  # ten tokens a second
    running = [Work("m", 100, running_s=4), Work("m", 30)]  # 6 s and 3 s are left
    waiting = [Work("m", 20), Work("m", 20), Work("m", 20)]
    assert pace.starts(running, waiting, rows=2) == pytest.approx([3, 5, 6])
    assert pace.starts(running, waiting, rows=3) == pytest.approx([0, 2, 3])
