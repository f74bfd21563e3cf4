"""A panel of /gpt2-config that is older than Discord's 15 minutes for an answer, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import LoopbackDiscord, ManualClock, Message, point_discord_at
from townhall_bot.testkit import RATE_SCALE, StartTownhall

HOST = {"TOWNHALL_GPT2_MODEL": "fake", "TOWNHALL_GPT2_ALLOWED_MODELS": "fake,other"}
MODEL, CHANNELS = range(2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def discord_server(clock: ManualClock) -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord(rate_scale=RATE_SCALE, clock=clock) as server:
        with point_discord_at(server):
            yield server


def menu(message: Message, row: int) -> str:
    """Return the id of the menu in a row of the panel."""
    return str(message.components[row]["components"][0]["custom_id"])


async def test_a_panel_that_is_used_shows_what_is_set_beyond_15_minutes(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, clock: ManualClock
) -> None:
    class WithFakeModels(GPT2Plugin):
        def make_service(self, settings: GPT2Settings) -> GPT2Service:
            return GPT2Service(settings, FakeSource(), available_memory=lambda: None)

    townhall = await start_townhall(WithFakeModels, settings=HOST)
    admin = discord_server.townhall().people["admin"]
    turn = await admin.type("/gpt2-config")
    assert await townhall.settled(turn) is None
    panel = turn.message

    clock.advance(10 * 60)
    await admin.select(panel, "#gpt2", custom_id=menu(panel, CHANNELS))
    await turn.until(lambda turn: "Allowed channels: all →" in panel.text)

    clock.advance(10 * 60)
    chosen = await admin.select(panel, "other", custom_id=menu(panel, MODEL))
    await chosen.until(lambda chosen: "This server now uses **other**." in chosen.text)
    await turn.until(lambda turn: "**other**" in panel.text)
