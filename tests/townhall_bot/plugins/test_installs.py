"""Where the commands may be used: in servers that the bot is in, and in direct messages with it."""

from __future__ import annotations

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Person, TownhallWorld
from townhall_bot.loopback.world import permissions
from townhall_bot.plugins import AppCommand, Plugin
from townhall_bot.testkit import StartTownhall

GUILD_INSTALL, USER_INSTALL = 0, 1
GUILD, BOT_DM, PRIVATE_CHANNEL = 0, 1, 2


class Settled(Plugin):
    """Says nothing of people's own installations."""

    name = "settled"

    def commands(self) -> list[AppCommand]:
        @app_commands.command(description="Stay.")
        async def settled(interaction: discord.Interaction) -> None: ...

        return [settled]


async def test_nobody_can_install_the_bot_for_themselves_alone(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    """Left out, an application's own settings would count, and new ones let people do that."""
    await start_townhall(PingPlugin)
    assert discord_server.commands
    for command in discord_server.commands:
        assert command.definition["integration_types"] == [GUILD_INSTALL]
        assert set(command.definition["contexts"]) <= {GUILD, BOT_DM}


async def test_where_the_host_lets_people_take_it_along_commands_that_say_so_go(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    await start_townhall(PingPlugin, Settled, settings={"TOWNHALL_USER_INSTALLS": "true"})
    found = {each.name: each.definition for each in discord_server.commands}
    for name in ("ping", "privacy"):
        assert found[name]["integration_types"] == [GUILD_INSTALL, USER_INSTALL]
        assert found[name]["contexts"] == [GUILD, BOT_DM, PRIVATE_CHANNEL]
    assert found["settled"]["integration_types"] == [GUILD_INSTALL]


async def test_a_ping_from_elsewhere_is_answered_to_its_asker_alone(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    settings = {"TOWNHALL_USER_INSTALLS": "true", "TOWNHALL_PING_PUBLIC": "true"}
    townhall = await start_townhall(PingPlugin, settings=settings)
    elsewhere = discord_server.add_guild("Elsewhere", bot_permissions=None)
    room = elsewhere.add_channel("lounge")
    member = Person(elsewhere.add_user(ada.user, permissions.MEMBER))
    with pytest.raises(CommandRefused, match="no command /ping"):
        await member.type("/ping", room)
    member.install()
    group = discord_server.world.add_group(ada.user)
    for place in (room, group):
        turn = await member.type("/ping", place)
        assert await townhall.settled(turn) is None
        assert turn.message.ephemeral
    for turn in (await ada.type("/ping"), await ada.type("/ping", ada.direct_messages)):
        assert await townhall.settled(turn) is None
        assert not turn.message.ephemeral


async def test_a_server_s_own_commands_say_nothing_that_is_for_commands_everywhere(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, world: TownhallWorld
) -> None:
    await start_townhall(PingPlugin, settings={"TOWNHALL_GUILD": str(world.guild.id)})
    assert discord_server.commands
    for command in discord_server.commands:
        assert not {"integration_types", "contexts"} & command.definition.keys()
