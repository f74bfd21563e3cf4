"""What the bot says in a channel by its own right, over a connection that breaks."""

from __future__ import annotations

import io

import aiohttp
import discord
import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import RunningTownhall

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def townhall_plugins() -> list[type[Plugin]]:
    return [PingPlugin]


@pytest.fixture
def channel(townhall: RunningTownhall) -> discord.TextChannel:
    return next(iter(townhall.bot.guilds[0].text_channels))


@pytest.mark.parametrize("after", [False, True])
async def test_a_file_arrives_whole_and_once(
    channel: discord.TextChannel, discord_server: LoopbackDiscord, after: bool
) -> None:
    discord_server.faults.cut("POST", "/channels/*/messages", times=2, after=after)
    await channel.send("here", file=discord.File(io.BytesIO(b"the whole text"), "text.txt"))
    [message] = discord_server.townhall().channels["general"].messages
    [file] = message.attachments
    assert file.text == "the whole text"


async def test_what_discord_could_not_recognise_as_the_same_is_not_done_twice(
    channel: discord.TextChannel, discord_server: LoopbackDiscord
) -> None:
    discord_server.faults.answer("POST", "/channels/*/typing", 503)
    before = len(discord_server.requests)
    with pytest.raises((discord.DiscordServerError, aiohttp.ClientError)):
        await channel.typing()
    assert [request.method for request in discord_server.requests[before:]] == ["POST"]


async def test_a_page_that_a_proxy_signed_is_not_taken_for_a_rate_limit(
    townhall: RunningTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    """discord.py looked for the seconds to wait in it, and a TypeError came of that."""
    discord_server.faults.answer("POST", "/interactions/*", 429, body="<p>Too many</p>", by_proxy=True, times=9)
    turn = await ada.type("/ping")
    error = await townhall.settled(turn)
    assert isinstance(error, discord.HTTPException)
    assert (error.status, error.text) == (429, "Too many")
    assert len([request for request in discord_server.requests if request.method == "POST"]) == 1
