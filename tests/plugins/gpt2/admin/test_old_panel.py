"""A panel of /gpt2-config that is older than Discord's 15 minutes for an answer, on a clock that the test moves."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.fake_plugin import answered, begin, menu
from townhall_bot.loopback import LoopbackDiscord, ManualClock, Person
from townhall_bot.testkit import StartTownhall

MODEL, CHANNELS = range(2)


@pytest.fixture
def discord_server(discord_on_a_clock: LoopbackDiscord) -> LoopbackDiscord:
    return discord_on_a_clock


async def test_a_panel_that_is_used_shows_what_is_set_beyond_15_minutes(
    start_townhall: StartTownhall, clock: ManualClock, admin: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, admin, "/gpt2-config")
    panel = turn.message

    clock.advance(10 * 60)
    await admin.select(panel, "#gpt2", custom_id=menu(panel, CHANNELS))
    await turn.until(lambda turn: "Allowed channels: all →" in panel.text)

    clock.advance(10 * 60)
    chosen = await admin.select(panel, "other", custom_id=menu(panel, MODEL))
    await chosen.until(lambda chosen: "This server now uses **other**." in chosen.text)
    await turn.until(lambda turn: "**other**" in panel.text)
    assert "closed" not in panel.text
    assert menu(panel, MODEL)
