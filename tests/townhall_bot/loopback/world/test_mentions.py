"""Who is really pinged: allowed_mentions and permissions decide, not the text."""

from __future__ import annotations

import discord

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import TownhallWorld


async def test_a_bot_that_allows_nobody_pings_nobody(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    channel = bot.guilds[0].text_channels[0]
    text = f"<@{ada.id}> @everyone"
    await channel.send(text, allowed_mentions=discord.AllowedMentions.none())
    await channel.send(text)
    only_ben = discord.AllowedMentions(everyone=False, users=[discord.Object(world.people["ben"].id)])
    await channel.send(text, allowed_mentions=only_ben)
    silent, loud, ben_only = world.channels["general"].messages
    assert (silent.pings, silent.pings_everyone) == ([], False)
    assert loud.pings == [ada.user]
    assert ben_only.pings == []


async def test_everyone_is_pinged_only_with_the_permission(bot: ExampleBot, world: TownhallWorld) -> None:
    channel = bot.guilds[0].text_channels[0]
    await channel.send("@everyone")
    world.guild.overwrite(
        world.channels["general"], world.guild.world.bot, allow=discord.Permissions(mention_everyone=True)
    )
    await channel.send("@here")
    await channel.send("@everyone", allowed_mentions=discord.AllowedMentions(everyone=False))
    assert [message.pings_everyone for message in world.channels["general"].messages] == [False, True, False]


async def test_roles_and_authors_of_replied_messages_are_pinged_when_allowed(
    bot: ExampleBot, world: TownhallWorld
) -> None:
    role = world.guild.add_role("readers", discord.Permissions.none())
    ada = world.people["ada"]
    question = await ada.say("a question")
    channel = bot.guilds[0].text_channels[0]
    partial = channel.get_partial_message(question.id)
    await partial.reply(f"<@&{role.id}>")
    await partial.reply("quietly", mention_author=False)
    loud, quiet = world.channels["general"].messages[1:]
    assert (loud.pings, loud.pings_roles) == ([ada.user], [role.id])
    assert (quiet.pings, quiet.pings_roles) == ([], [])
