"""Where a command is offered: in the bot's servers, with it alone, and wherever a person has brought it along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from townhall_bot.loopback.world.enums import ChannelType, Context, Install
from townhall_bot.loopback.world.state import Channel, Command, Interaction, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World

USUAL_CONTEXTS = (Context.GUILD, Context.BOT_DM)
Owners = dict[str, str]
"""By kind of installation, whose it is: a server's id, or a person's."""


def context_of(channel: Channel) -> Context:
    """Return what kind of place a channel is to a command."""
    if channel.guild is not None:
        return Context.GUILD
    return Context.PRIVATE if channel.type is ChannelType.GROUP else Context.BOT_DM


def usable(world: World, channel: Channel, user: User) -> Iterator[Command]:
    """Yield the commands that a person's client offers in a channel; a server's own hide global ones of that name."""
    own = world.registered(channel.guild.id) if channel.guild else []
    hidden = {(command.type, command.name) for command in own}
    yield from own
    for command in world.registered(None):
        if owners(world, command, channel, user) and (command.type, command.name) not in hidden:
            yield command


def owners(world: World, command: Command, channel: Channel, user: User) -> Owners:
    """Return the installations by which a person may use a command in a channel; none: they may not.

    A command that names no contexts is not for those that people brought along (discord-api-docs issue 7108).
    """
    context, definition = context_of(channel), command.definition
    contexts, kinds = definition.get("contexts"), definition.get("integration_types") or list(Install)
    if definition.get("dm_permission") is False and channel.guild is None:
        return {}
    if context not in (USUAL_CONTEXTS if contexts is None else contexts):
        return {}
    found: Owners = {}
    if (command.guild_id is not None or Install.GUILD in kinds) and _is_in(world, channel):
        found[str(int(Install.GUILD))] = str(channel.guild.id) if channel.guild else "0"
    if command.guild_id is None and Install.USER in kinds and contexts is not None and user.has_installed:
        found[str(int(Install.USER))] = str(user.id)
    return found


def owners_of(world: World, interaction: Interaction) -> Owners:
    """Return the installations that an interaction goes by: its command's, or those of what its component is on."""
    if interaction.command is not None:
        return owners(world, interaction.command, interaction.channel, interaction.user)
    before = interaction.trigger or (interaction.message.interaction if interaction.message else None)
    guild = interaction.guild
    if before is not None and before.owners:  # those of what another day's file holds are not known
        return before.owners
    return {"0": str(guild.id) if guild else "0"}


def _is_in(world: World, channel: Channel) -> bool:
    """Tell whether the bot is in that place itself."""
    return world.bot.id in channel.guild.members if channel.guild else channel.type is ChannelType.DM
