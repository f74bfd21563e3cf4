"""Where the bot lacks a right, what it was needed for says so; the rest is done."""

import discord
import pytest

from tests.plugins.gpt2.fake_plugin import answered, begin
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import LoopbackDiscord, Person, TownhallWorld, Turn
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

LONG = "/gpt2 prompt:" + "Tell me *more* of it. " * 27 + " count:1024"
MARKS = "*_|~ |*_ ~"
"""Doubled by the escapes that show them: a text of them is two messages."""


def without(world: TownhallWorld, server: LoopbackDiscord, **rights: bool) -> None:
    world.guild.overwrite(world.channels["general"], server.world.bot, deny=discord.Permissions(**rights))


@pytest.fixture
async def townhall(start_townhall: StartTownhall) -> RunningTownhall:
    return await begin(start_townhall, FakeSource(script=MARKS, context=9000), MAX_COUNT="1024")


async def two_pages(townhall: RunningTownhall, person: Person, server: LoopbackDiscord) -> Turn:
    turn = await answered(townhall, person, LONG)
    assert len(turn.messages) == 2
    return turn


async def test_delete_of_two_pages_says_what_it_left_where_the_history_cannot_be_read(
    townhall: RunningTownhall, ada: Person, world: TownhallWorld, discord_server: LoopbackDiscord
) -> None:
    turn = await two_pages(townhall, ada, discord_server)
    without(world, discord_server, read_message_history=True)
    pressed = await ada.press(turn.messages[-1], "Delete")
    assert await townhall.settled(pressed) is None
    assert len(world.channels["general"].messages) == 1
    assert "Only this message was deleted" in pressed.messages[-1].content
    assert pressed.messages[-1].ephemeral


async def test_continue_does_not_go_on_from_the_last_page_alone(
    townhall: RunningTownhall, ada: Person, world: TownhallWorld, discord_server: LoopbackDiscord
) -> None:
    turn = await two_pages(townhall, ada, discord_server)
    without(world, discord_server, read_message_history=True)
    pressed = await ada.press(turn.messages[-1], "Continue")
    assert isinstance(await townhall.settled(pressed), Refusal)
    assert "cannot read the beginning of this text" in pressed.text


async def test_with_the_rights_of_the_invitation_both_pages_go(
    townhall: RunningTownhall, ada: Person, world: TownhallWorld, discord_server: LoopbackDiscord
) -> None:
    turn = await two_pages(townhall, ada, discord_server)
    assert await townhall.settled(await ada.press(turn.messages[-1], "Delete")) is None
    assert world.channels["general"].messages == []


async def test_statistics_without_attach_files_are_numbers_and_name_the_right(
    townhall: RunningTownhall, ada: Person, world: TownhallWorld, discord_server: LoopbackDiscord
) -> None:
    without(world, discord_server, attach_files=True)
    await answered(townhall, ada, "/gpt2 prompt:Hello count:10")
    turn = await answered(townhall, ada, "/gpt2-stats")
    (embed,) = turn.message.embeds
    assert "tokens" in str(embed)
    assert "the permission Attach Files" in embed["footer"]["text"]
    assert turn.message.attachments == []
