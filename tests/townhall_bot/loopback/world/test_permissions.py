"""Discord's permission arithmetic."""

from __future__ import annotations

import discord
import pytest

from townhall_bot.loopback import CommandRefused, LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.world import permissions

SEND = discord.Permissions(send_messages=True)


@pytest.fixture
def world() -> TownhallWorld:
    return LoopbackDiscord().townhall()


def may_send(world: TownhallWorld, name: str) -> bool:
    bits = permissions.in_channel(world.channels["general"], world.people[name].id)
    return discord.Permissions(bits).send_messages


def test_overwrites_go_from_everyone_over_roles_to_the_member(world: TownhallWorld) -> None:
    guild, general, ada = world.guild, world.channels["general"], world.people["ada"]
    assert may_send(world, "ada")
    guild.overwrite(general, guild.roles[guild.id], deny=SEND)
    assert not may_send(world, "ada")
    role = guild.add_role("writers", discord.Permissions.none())
    guild.members[ada.id].role_ids.append(role.id)
    guild.overwrite(general, role, allow=SEND)
    assert may_send(world, "ada")
    assert not may_send(world, "ben")
    guild.overwrite(general, ada, deny=SEND)
    assert not may_send(world, "ada")


def test_an_administrator_and_the_owner_may_do_everything(world: TownhallWorld) -> None:
    guild, general = world.guild, world.channels["general"]
    boss = guild.add_member("boss", discord.Permissions(administrator=True))
    guild.overwrite(general, boss, deny=discord.Permissions.all())
    assert permissions.in_channel(general, boss.id) == permissions.EVERYTHING
    guild.owner_id = world.people["ben"].id
    assert permissions.in_channel(general, guild.owner_id) == permissions.EVERYTHING


def test_without_view_channel_nothing_counts(world: TownhallWorld) -> None:
    world.guild.overwrite(world.channels["general"], world.people["ada"], deny=discord.Permissions(view_channel=True))
    assert permissions.in_channel(world.channels["general"], world.people["ada"].id) == 0


def test_who_is_no_member_may_do_nothing(world: TownhallWorld) -> None:
    ada = world.people["ada"]
    world.guild.remove_member(ada)
    assert permissions.in_channel(world.channels["general"], ada.id) == 0


async def test_somebody_muted_cannot_write(world: TownhallWorld) -> None:
    world.guild.overwrite(world.channels["general"], world.people["ada"], deny=SEND)
    with pytest.raises(CommandRefused, match="ada lacks Send Messages in #general"):
        await world.people["ada"].say("hello?")


def test_missing_permissions_are_named_as_in_discord_s_settings() -> None:
    needed = discord.Permissions(manage_guild=True, send_messages=True)
    assert permissions.missing(SEND.value, needed) == ["manage_guild"]
