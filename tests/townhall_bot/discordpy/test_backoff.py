"""What failed for a moment is tried again at growing distances, and not by everybody at the same moment."""

from __future__ import annotations

import random

import pytest

from townhall_bot.discordpy.backoff import Backoff

A_MINUTE = Backoff(first=0.5, longest=10.0, attempts=9)


def longest(low: float, high: float) -> float:
    return high


def test_the_longest_pauses_double_up_to_a_bound() -> None:
    assert list(A_MINUTE.pauses(longest)) == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_there_is_a_pause_between_attempts_and_none_after_the_last() -> None:
    assert list(Backoff(1.0, 1.0, attempts=1).pauses(longest)) == []
    assert list(Backoff(1.0, 1.0, attempts=3).pauses(longest)) == [1.0, 1.0]


def test_each_pause_is_drawn_from_all_between_nothing_and_the_longest() -> None:
    draw = random.Random(7).uniform
    seventh = [list(A_MINUTE.pauses(draw))[6] for _ in range(2000)]
    assert min(seventh) < 0.1
    assert max(seventh) > 9.9
    assert sum(seventh) / len(seventh) == pytest.approx(5.0, abs=0.2)


def test_two_who_failed_together_do_not_come_back_together() -> None:
    assert list(A_MINUTE.pauses()) != list(A_MINUTE.pauses())
