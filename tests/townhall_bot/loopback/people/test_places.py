"""Servers, channels, roles and permissions that change while the bot is there; several shards."""

from __future__ import annotations

import asyncio

import discord
import pytest

from tests.townhall_bot.loopback.example_bot import INTENTS, Connect, ExampleBot, hearing, running
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, ManualClock, Person, TownhallWorld


def channel_of(bot: ExampleBot, name: str = "general") -> discord.TextChannel:
    found = discord.utils.get(bot.guilds[0].text_channels, name=name)
    assert found is not None
    return found


async def test_an_overwrite_shuts_the_bot_up_and_the_client_knows_beforehand(
    bot: ExampleBot, world: TownhallWorld
) -> None:
    update = await hearing(bot, "guild_channel_update")
    world.guild.overwrite(
        world.channels["general"], world.guild.world.bot, deny=discord.Permissions(send_messages=True)
    )
    await update
    channel = channel_of(bot)
    assert not channel.permissions_for(bot.guilds[0].me).send_messages
    assert channel_of(bot, "gpt2").permissions_for(bot.guilds[0].me).send_messages
    with pytest.raises(discord.Forbidden):
        await channel.send("may I?")
    # An answer to a command needs no such permission.
    turn = await world.people["ada"].type("/echo text:I may")
    await turn.acknowledged()
    assert turn.text == "I may"


async def test_an_overwrite_decides_who_may_use_commands_where(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    world.guild.overwrite(world.channels["general"], ada, deny=discord.Permissions(use_application_commands=True))
    with pytest.raises(CommandRefused, match="Use Application Commands"):
        await ada.type("/echo text:here", channel=world.channels["general"])
    turn = await ada.type("/echo text:there", channel=world.channels["gpt2"])
    await turn.acknowledged()


async def test_a_role_gives_and_takes_permissions(
    connect: Connect, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.world.application.privileged = discord.Intents(members=True)
    bot = await connect(ExampleBot(discord.Intents(guilds=True, members=True)))
    made = await hearing(bot, "guild_role_create")
    host = world.guild.add_role("Host", discord.Permissions(manage_guild=True))
    assert (await made).name == "Host"

    ada = world.people["ada"]
    with pytest.raises(CommandRefused, match="Manage Server"):
        await ada.type("/config")
    raised = await hearing(bot, "member_update")
    world.guild.give_role(ada, host)
    _, after = await raised
    assert "Host" in {role.name for role in after.roles}
    turn = await ada.type("/config")
    await turn.acknowledged()
    assert (await bot.interaction(turn)).permissions.manage_guild
    world.guild.take_role(ada, host)
    with pytest.raises(CommandRefused, match="Manage Server"):
        await ada.type("/config")


async def test_the_bot_hears_of_its_own_roles_without_any_intent(bot: ExampleBot, world: TownhallWorld) -> None:
    updated = await hearing(bot, "member_update")
    role = world.guild.add_role("Trusted", discord.Permissions(mention_everyone=True))
    world.guild.give_role(world.guild.world.bot, role)
    await updated
    assert bot.guilds[0].me.guild_permissions.mention_everyone


async def test_a_deleted_channel_is_gone_for_the_client_too(bot: ExampleBot, world: TownhallWorld) -> None:
    gone = await hearing(bot, "guild_channel_delete")
    channel = channel_of(bot, "gpt2")
    world.guild.remove_channel(world.channels["gpt2"])
    assert (await gone).name == "gpt2"
    with pytest.raises(discord.NotFound):
        await channel.send("anybody here?")


async def test_commands_work_in_a_server_that_was_joined_just_now(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    village = server.add_guild("Village")
    village.add_channel("square")
    carl = Person(village.add_member("carl"))
    turn = await carl.type("/echo text:new here")
    await turn.acknowledged()
    found = (await bot.interaction(turn)).guild
    assert found is not None
    assert found.name == "Village"


async def test_two_shards_of_one_client_serve_every_server_and_direct_messages(
    clock: ManualClock, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    homes = [world.guild]
    while len({(home.id >> 22) % 2 for home in homes}) < 2:
        clock.advance(0.001)  # ids carry the time, and the shard follows from them
        homes.append(server.add_guild(f"Home {len(homes)}"))
        homes[-1].add_channel("room")
    client = discord.AutoShardedClient(intents=INTENTS, guild_ready_timeout=0.02, shard_count=2)
    client.before_identify_hook = _at_once  # type: ignore[method-assign] # discord.py waits 5 s between two shards
    heard: asyncio.Queue[discord.Interaction] = asyncio.Queue()
    tree = discord.app_commands.CommandTree(client)

    @tree.command(description="Which shard is this?")
    async def shard(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"shard {interaction.guild.shard_id if interaction.guild else 0}")
        await heard.put(interaction)

    async with running(client, server.token):
        await tree.sync()
        assert {guild.id: guild.shard_id for guild in client.guilds} == {h.id: (h.id >> 22) % 2 for h in homes}
        for home in homes:
            person = Person(home.add_member("somebody"))
            turn = await person.type("/shard")
            await turn.acknowledged()
            assert turn.text == f"shard {(home.id >> 22) % 2}"
        turn = await world.people["ada"].type("/shard", channel=world.people["ada"].direct_messages)
        await turn.acknowledged()
        assert turn.text == "shard 0"
    assert server.gateway.identified == 2


async def _at_once(shard_id: int | None, *, initial: bool = False) -> None:
    pass
