"""Stop pressed twice, or as a text ends by itself: the second press lands on what took Stop's place."""

from __future__ import annotations

import pytest

from plugins.gpt2.chat.recent_ends import KEPT, MOMENT_S, RecentEnds
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, finished, half_written, opened
from townhall_bot.loopback import ManualClock, Person
from townhall_bot.testkit import StartTownhall


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> ManualClock:
    """A clock by which people press; a moment is as long as it is."""
    defaults = RecentEnds.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "moment_s", MOMENT_S)
    monkeypatch.setitem(defaults, "clock", clock)
    return clock


@pytest.mark.usefixtures("lively")
async def test_stop_pressed_twice_stops_once_and_begins_nothing(
    start_townhall: StartTownhall, ada: Person, hands: ManualClock
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada)
    await ada.press(turn.message, "Stop")
    gate.open()
    assert await townhall.settled(turn) is None
    hands.advance(0.35)
    for button in ("Again", "Continue"):
        second = await ada.press(turn.message, button)
        await townhall.settled(second)
        assert second.text == (
            f"This text ended just as you pressed, so I did nothing. Press “{button}” once more if you want it."
        )
        assert second.message.ephemeral
    assert len(ada.guild.channels[0].messages) == 1
    hands.advance(1.2)
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text == f"**Hello**{greedy_text('Hello', 30)}"


async def test_a_press_as_the_text_ends_by_itself_begins_nothing_either(
    start_townhall: StartTownhall, ada: Person, hands: ManualClock
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    pressed = await ada.press(turn.message, "Again")
    await townhall.settled(pressed)
    assert "did nothing" in pressed.text
    # What begins nothing needs no second thought.
    await opened(ada, turn.message, "Edit…")


def test_only_the_newest_ends_are_kept_in_mind() -> None:
    ends = RecentEnds(clock=lambda: 0.0, moment_s=MOMENT_S)
    for request in range(KEPT + 2):
        ends.note(request)
    assert not ends.is_fresh(1)
    assert ends.is_fresh(2)
