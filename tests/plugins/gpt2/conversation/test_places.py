"""Threads, forum posts, the chats of voice channels, announcements: everything works there, by the channel's rules."""

from __future__ import annotations

import discord
import pytest

from tests.plugins.gpt2.conversation.said import answers_to, mention, say
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Channel, CommandRefused, LoopbackDiscord, Person, TownhallWorld
from townhall_bot.loopback.world import threads
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.replies import Refusal
from townhall_bot.testkit import StartTownhall

KINDS = ["thread", "forum post", "voice", "news", "news thread"]


async def place(kind: str, ada: Person) -> Channel:
    """Return a channel of that kind."""
    guild = ada.guild
    match kind:
        case "thread":
            return await ada.start_thread("Side talk", guild.channel("general"))
        case "forum post":
            return await ada.start_thread("A post", guild.add_channel("forum", ChannelType.FORUM))
        case "news thread":
            return await ada.start_thread("News talk", guild.add_channel("news", ChannelType.NEWS))
        case _:
            return guild.add_channel(kind, ChannelType[kind.upper()])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_command_its_buttons_a_mention_and_a_reply_work_there(
    start_townhall: StartTownhall, admin: Person, ada: Person, kind: str
) -> None:
    before = await place(kind, ada) if kind != "thread" else None  # a thread of while it runs, too
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    channel = before or await place(kind, ada)
    text = f"**Hello**{greedy_text('Hello', 8)}"
    turn = await ada.type("/gpt2 prompt:Hello", channel)
    assert await townhall.settled(turn) is None
    assert turn.text == text
    again = await ada.press(turn.message, "Again")
    assert await townhall.settled(again) is None
    assert again.text == text
    answer = await say(townhall, ada, "@bot Hello", channel)
    assert answer.content == text
    reply = await say(townhall, ada, "And", channel, reply_to=answer)
    assert reply.content.startswith("↪ **And**")
    menu = await ada.use_menu("Continue with GPT-2", answer)
    assert await townhall.settled(menu) is None


@pytest.mark.parametrize("kind", ["thread", "forum post"])
async def test_the_channels_rules_hold_in_its_threads(
    start_townhall: StartTownhall, admin: Person, ada: Person, kind: str
) -> None:
    townhall = await begin(start_townhall)
    channel = await place(kind, ada)
    await answered(townhall, admin, "/gpt2-config allow_channel:#gpt2 mentions:True")
    turn = await ada.type("/gpt2 prompt:Hello", channel)
    assert isinstance(await townhall.settled(turn), Refusal)
    answer = await say(townhall, ada, "@bot Hello", channel, raises=Refusal)
    assert answer.content == turn.text
    assert channel.thread is not None
    await answered(townhall, admin, f"/gpt2-config allow_channel:#{channel.thread.parent.name}")
    turn = await ada.type("/gpt2 prompt:Hello", channel)
    assert await townhall.settled(turn) is None


async def test_a_thread_that_is_archived_while_a_text_is_written_is_told_in_words(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    thread = await ada.start_thread("Side talk", ada.guild.channel("general"))
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    turn = await ada.type("/gpt2 prompt:Hello count:30", thread)
    await turn.until(lambda turn: "Writing" in turn.text)
    threads.change(discord_server.world, thread, archived=True, locked=True)
    gate.open()
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "the thread is archived or locked" in turn.text


async def test_in_a_locked_thread_nobody_asks(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    await begin(start_townhall)
    thread = await ada.start_thread("Side talk", ada.guild.channel("general"))
    threads.change(discord_server.world, thread, locked=True)
    with pytest.raises(CommandRefused, match="locked"):
        await ada.type("/gpt2 prompt:Hello", thread)
    with pytest.raises(CommandRefused, match="locked"):
        await ada.say("Hello", thread)


async def test_without_the_right_to_write_in_threads_a_command_is_answered_and_a_mention_told_directly(
    start_townhall: StartTownhall, world: TownhallWorld, discord_server: LoopbackDiscord, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    thread = await ada.start_thread("Side talk", world.channels["general"])
    bot = world.guild.members[discord_server.world.bot.id]
    world.guild.overwrite(world.channels["general"], bot, deny=discord.Permissions(send_messages_in_threads=True))
    turn = await ada.type("/gpt2 prompt:Hello", thread)
    assert await townhall.settled(turn) is None
    said = await ada.say(f"{mention(townhall)} Hello", thread)
    assert await townhall.settled(said) is None
    assert answers_to(said) == []
    assert "in threads: Send Messages in Threads" in ada.direct_messages.messages[-1].content


async def test_slow_mode_is_the_members_not_the_bots(
    start_townhall: StartTownhall, world: TownhallWorld, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    world.channels["general"].slow_mode = 60
    await say(townhall, ada, "@bot Hello", world.channels["general"])
    with pytest.raises(CommandRefused, match="slow mode"):
        await ada.say("And", world.channels["general"])
