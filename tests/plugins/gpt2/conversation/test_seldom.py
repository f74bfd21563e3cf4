"""What is told once an hour is told again after it, to each for themselves."""

from __future__ import annotations

from plugins.gpt2.conversation import seldom
from plugins.gpt2.conversation.seldom import Seldom
from townhall_bot.loopback import ManualClock


def test_each_may_once_in_a_while() -> None:
    clock = ManualClock(0)
    hint = Seldom(3600, clock)
    assert hint.may("here")
    assert hint.may("there")
    clock.advance(3599)
    assert not hint.may("here")
    clock.advance(1)
    assert hint.may("here")
    assert not hint.may("here")


def test_it_does_not_grow_for_ever() -> None:
    hint = Seldom(3600, ManualClock(0))
    for number in range(seldom.REMEMBERED + 1):
        assert hint.may(number)
    assert hint.may(0)
    assert not hint.may(seldom.REMEMBERED)
