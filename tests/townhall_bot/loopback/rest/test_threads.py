"""Threads of the local Discord, as the real client begins, archives and sees them, and what is refused in them."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.world import threads
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.state_file import StateFile


def text_channel(bot: ExampleBot, world: TownhallWorld, name: str = "general") -> discord.TextChannel:
    channel = bot.get_channel(world.channels[name].id)
    assert isinstance(channel, discord.TextChannel)
    return channel


def code(caught: pytest.ExceptionInfo[discord.HTTPException]) -> int:
    return caught.value.code


async def test_a_thread_below_a_message_has_its_id_and_takes_messages(bot: ExampleBot, world: TownhallWorld) -> None:
    message = await text_channel(bot, world).send("Let us talk.")
    thread = await message.create_thread(name="Talk")
    assert thread.id == message.id
    await thread.send("Here?")
    mine = world.guild.channel("Talk")
    assert [each.content for each in mine.messages] == ["Here?"]
    assert [each.content async for each in thread.history()] == ["Here?"]
    with pytest.raises(discord.HTTPException) as caught:
        await message.create_thread(name="Again")
    assert code(caught) == 160004


async def test_what_is_written_opens_an_archived_thread_and_an_edit_is_refused(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    thread = await text_channel(bot, world).create_thread(name="Talk", type=discord.ChannelType.public_thread)
    sent = await thread.send("Hello")
    mine = world.guild.channel("Talk")
    await thread.edit(archived=True)
    assert mine.thread is not None
    assert mine.thread.archived
    with pytest.raises(discord.HTTPException) as caught:
        await sent.edit(content="Hello?")
    assert code(caught) == 50083
    await thread.send("Anybody?")
    assert not mine.thread.archived
    threads.change(server.world, mine, locked=True)
    with pytest.raises(discord.HTTPException) as caught:
        await thread.send("Locked?")
    assert code(caught) == 160005


async def test_rights_of_the_channel_hold_in_its_threads(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    general, ada = world.channels["general"], world.people["ada"]
    channel = text_channel(bot, world)
    thread = await channel.create_thread(name="Talk", type=discord.ChannelType.public_thread)
    me = world.guild.members[server.world.bot.id]
    for right in ("send_messages_in_threads", "create_public_threads"):
        world.guild.overwrite(general, me, deny=discord.Permissions(**{right: True}))
        with pytest.raises(discord.Forbidden):
            await (thread.send("Hello") if "send" in right else (await channel.send("A")).create_thread(name="B"))
    world.guild.overwrite(general, ada, deny=discord.Permissions(send_messages_in_threads=True))
    with pytest.raises(CommandRefused, match="in Threads"):
        await ada.say("Hello", world.guild.channel("Talk"))


async def test_a_post_in_a_forum_and_none_beside_it(bot: ExampleBot, world: TownhallWorld) -> None:
    forum = world.guild.add_channel("forum", ChannelType.FORUM)
    with pytest.raises(CommandRefused, match="forum"):
        await world.people["ada"].say("Hello", forum)
    await world.people["ada"].start_thread("Question", forum)
    post = world.guild.channel("Question")
    await world.people["ada"].say("How?", post)
    assert [each.content for each in post.messages] == ["How?"]


async def test_threads_are_there_the_next_day(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld, tmp_path: Path
) -> None:
    thread = await world.people["ada"].start_thread("Talk", world.channels["general"])
    await world.people["ada"].say("Hello", thread)
    StateFile(tmp_path / "state.json", server.world).save()
    other = LoopbackDiscord()
    other.townhall()
    StateFile(tmp_path / "state.json", other.world).load()
    kept = other.townhall().guild.channel("Talk")
    assert kept.thread is not None
    assert (kept.type, kept.thread.parent.name) == (ChannelType.THREAD, "general")
    assert [each.content for each in kept.messages] == ["Hello"]


async def test_groups_and_who_has_the_bot_are_there_the_next_day(
    server: LoopbackDiscord, world: TownhallWorld, tmp_path: Path
) -> None:
    ada, ben = world.people["ada"], world.people["ben"]
    ada.install()
    group = server.world.add_group(ada.user, ben.user)
    await ada.say("Hello", group)
    far = server.add_guild("Elsewhere", bot_permissions=None)
    server.world.say(ada.user, far.add_channel("lounge"), "Far away", None, [])
    StateFile(tmp_path / "state.json", server.world).save()
    other = LoopbackDiscord()
    people = other.townhall().people
    StateFile(tmp_path / "state.json", other.world).load()
    assert (people["ada"].user.has_installed, people["ben"].user.has_installed) == (True, False)
    kept = other.world.channels[group.id]
    assert [user.name for user in kept.group] == ["ada", "ben"]
    assert [each.content for each in kept.messages] == ["Hello"]
