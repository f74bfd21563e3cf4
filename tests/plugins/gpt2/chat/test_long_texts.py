"""Texts that outlive Discord's 15 minutes for an answer, on a clock that the test moves."""

from __future__ import annotations

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import FINISHED, answered, half_written, labels
from townhall_bot.loopback import Guild, LoopbackDiscord, ManualClock, Person
from townhall_bot.testkit import StartTownhall

AN_HOUR = "3600"


@pytest.fixture
def discord_server(discord_on_a_clock: LoopbackDiscord) -> LoopbackDiscord:
    return discord_on_a_clock


async def test_after_15_minutes_the_text_goes_on_in_the_same_message_by_ordinary_edits(
    start_townhall: StartTownhall, clock: ManualClock, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada, DEADLINE_S=AN_HOUR)
    clock.advance(16 * 60)
    gate.open()
    assert await townhall.settled(turn) is None
    [message] = ada.guild.channels[0].messages
    assert message is turn.message
    assert message.content == f"**Hello**{greedy_text('Hello', 30)}"
    assert labels(message) == FINISHED


async def test_stop_works_after_15_minutes(start_townhall: StartTownhall, clock: ManualClock, ada: Person) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada, DEADLINE_S=AN_HOUR)
    clock.advance(20 * 60)
    press = await ada.press(turn.message, "Stop")
    await press.acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert turn.text.endswith("-# Stopped.")


@pytest.mark.usefixtures("lively")
async def test_where_the_bot_may_not_write_in_the_channel_it_ends_cleanly(
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    clock: ManualClock,
    guild: Guild,
    ada: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada, DEADLINE_S=AN_HOUR)
    clock.advance(16 * 60)
    guild.members[discord_server.world.bot.id].role_ids.clear()  # the bot has lost every right
    gate.open()
    assert await townhall.settled(turn) is not None
    assert "did not arrive" in caplog.text
    assert "Hello" not in caplog.text
    # The next request is served as ever, and nothing is left running.
    again = await answered(townhall, ada, "/gpt2 prompt:Again count:5")
    assert again.text == f"**Again**{greedy_text('Again', 5)}"
    assert (await townhall.plugin(GPT2Plugin).health()).summary == "fake on FAKE (fp32); 0 running, 0 waiting"
