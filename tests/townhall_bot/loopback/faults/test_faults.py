"""What goes wrong on demand, and how the real client comes through it."""

from __future__ import annotations

import aiohttp
import discord
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld

ORIGINAL = "/webhooks/*/messages/@original"
SEND = "/channels/*/messages"


async def test_a_rate_limited_edit_is_made_again(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.faults.answer("PATCH", ORIGINAL, 429, retry_after=0.01, times=2)
    turn = await world.people["ada"].type("/grow words:1")
    await turn.until(lambda turn: len(turn.messages) == 2)
    edits = [request.status for request in server.requests if request.method == "PATCH"]
    assert edits == [429, 429, 200]
    assert turn.messages[0].content == "hear"


async def test_a_global_limit_is_waited_out(bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld) -> None:
    server.faults.answer("POST", SEND, 429, retry_after=0.01, is_global=True)
    await bot.guilds[0].text_channels[0].send("after the wait")
    assert [message.content for message in world.channels["general"].messages] == ["after the wait"]


async def test_a_server_error_reaches_the_bot(bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld) -> None:
    server.faults.answer("POST", SEND, 503)
    with pytest.raises(discord.DiscordServerError):
        await bot.guilds[0].text_channels[0].send("lost")
    assert world.channels["general"].messages == []


async def test_an_answer_can_be_lost_after_the_request_took_effect(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.faults.answer("POST", SEND, 503, after=True)
    with pytest.raises(discord.DiscordServerError):
        await bot.guilds[0].text_channels[0].send("there all the same")
    assert [message.content for message in world.channels["general"].messages] == ["there all the same"]


@pytest.mark.parametrize(("after", "left"), [(False, []), (True, ["half heard"])])
async def test_a_connection_breaks(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld, after: bool, left: list[str]
) -> None:
    server.faults.cut("POST", SEND, after=after)
    with pytest.raises(aiohttp.ClientError):
        await bot.guilds[0].text_channels[0].send("half heard")
    assert [message.content for message in world.channels["general"].messages] == left


async def test_the_sky_clears_after_the_number_of_times(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.faults.answer("POST", SEND, 503, times=2)
    channel = bot.guilds[0].text_channels[0]
    for _ in range(2):
        with pytest.raises(discord.DiscordServerError):
            await channel.send("lost")
    await channel.send("arrived")
    assert [message.content for message in world.channels["general"].messages] == ["arrived"]
