"""Texts that outlive Discord's 15 minutes for an answer, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import LoopbackDiscord, ManualClock, point_discord_at
from townhall_bot.testkit import RATE_SCALE, RunningTownhall, StartTownhall

HOST = {
    "TOWNHALL_GPT2_MODEL": "fake",
    "TOWNHALL_GPT2_ALLOWED_MODELS": "fake",
    "TOWNHALL_GPT2_TEMPERATURE": "0",
    "TOWNHALL_GPT2_REPETITION_PENALTY": "1",
    "TOWNHALL_GPT2_DEADLINE_S": "3600",
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def discord_server(clock: ManualClock) -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord(rate_scale=RATE_SCALE, clock=clock) as server:
        with point_discord_at(server):
            yield server


async def begin(start_townhall: StartTownhall, gate: Gate) -> RunningTownhall:
    class WithFakeModels(GPT2Plugin):
        def make_service(self, settings: GPT2Settings) -> GPT2Service:
            return GPT2Service(settings, FakeSource(before_step=gate), available_memory=lambda: None)

    return await start_townhall(WithFakeModels, settings=HOST)


async def test_after_15_minutes_the_text_goes_on_in_the_same_message_by_ordinary_edits(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, clock: ManualClock
) -> None:
    gate = Gate(after=6)
    townhall = await begin(start_townhall, gate)
    ada = discord_server.townhall().people["ada"]
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Writing" in turn.text)
    clock.advance(16 * 60)
    gate.open()
    assert await townhall.settled(turn) is None
    [message] = ada.guild.channels[0].messages
    assert message is turn.message
    assert message.content == f"**Hello**{greedy_text('Hello', 30)}"
    assert [button["label"] for button in message.buttons] == ["Again", "Continue", "Edit…", "Delete"]


async def test_stop_works_after_15_minutes(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, clock: ManualClock
) -> None:
    gate = Gate(after=6)
    townhall = await begin(start_townhall, gate)
    ada = discord_server.townhall().people["ada"]
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Writing" in turn.text)
    clock.advance(20 * 60)
    press = await ada.press(turn.message, "Stop")
    await press.acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert turn.text.endswith("-# Stopped.")


async def test_where_the_bot_may_not_write_in_the_channel_it_ends_cleanly(
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate(after=6)
    townhall = await begin(start_townhall, gate)
    world = discord_server.townhall()
    ada, guild = world.people["ada"], world.guild
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Writing" in turn.text)
    clock.advance(16 * 60)
    guild.members[discord_server.world.bot.id].role_ids.clear()  # the bot has lost every right
    gate.open()
    assert await townhall.settled(turn) is not None
    assert "did not arrive" in caplog.text
    assert "Hello" not in caplog.text
    # Nothing is left running, and the next request is served as ever.
    plugin = townhall.bot.plugins["gpt2"].plugin
    assert isinstance(plugin, GPT2Plugin)
    async with asyncio.timeout(10):
        again = await ada.type("/gpt2 prompt:Again count:5")
        assert await townhall.settled(again) is None
    assert again.text == f"**Again**{greedy_text('Again', 5)}"
