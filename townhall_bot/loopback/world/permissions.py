"""Who may do what: Discord's permission arithmetic, on discord.py's names for the bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from townhall_bot.loopback.world.state import Channel

if TYPE_CHECKING:
    from townhall_bot.loopback.world.guild import Guild

EVERYTHING = discord.Permissions.all().value

MEMBER = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    read_message_history=True,
    embed_links=True,
    attach_files=True,
    add_reactions=True,
    use_application_commands=True,
)
"""What a member has unless a test says otherwise."""

ADMIN = MEMBER | discord.Permissions(manage_guild=True, manage_messages=True, manage_channels=True, manage_roles=True)
"""A member who runs the server, without the all-embracing Administrator."""

BOT = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
)
"""What the invitation asks for, and no more (a test holds it to ``ops.discord_account.LEAST_PERMISSIONS``)."""


def allows(bits: int, name: str) -> bool:
    """Tell whether ``bits`` have the permission that discord.py calls ``name``."""
    return bool(bits & discord.Permissions(**{name: True}).value)


def in_guild(guild: Guild, user_id: int) -> int:
    """Return the permissions of a member in the server, 0 for somebody who is no member."""
    member = guild.members.get(user_id)
    if member is None:
        return 0
    if guild.owner_id == user_id:
        return EVERYTHING
    bits = guild.roles[guild.id].permissions
    for role_id in member.role_ids:
        bits |= guild.roles[role_id].permissions
    return EVERYTHING if allows(bits, "administrator") else bits


def in_channel(channel: Channel, user_id: int) -> int:
    """Return the permissions of a user in a channel, its overwrites included."""
    guild = channel.guild
    if channel.group:
        return (MEMBER | BOT).value if user_id in {each.id for each in channel.group} else 0
    if guild is None:
        return (MEMBER | BOT).value
    bits = in_guild(guild, user_id)
    if bits == EVERYTHING or user_id not in guild.members:
        return bits
    overwrites = (channel.thread.parent if channel.thread is not None else channel).overwrites
    if (everyone := overwrites.get(guild.id)) is not None:
        bits = bits & ~everyone.deny | everyone.allow
    role_overwrites = [overwrites[i] for i in guild.members[user_id].role_ids if i in overwrites]
    for overwrite in role_overwrites:
        bits &= ~overwrite.deny
    for overwrite in role_overwrites:
        bits |= overwrite.allow
    if (own := overwrites.get(user_id)) is not None:
        bits = bits & ~own.deny | own.allow
    # Without View Channel nothing else in a channel counts.
    return bits if allows(bits, "view_channel") else 0


def missing(bits: int, needed: discord.Permissions) -> list[str]:
    """Return discord.py's names of those permissions of ``needed`` that ``bits`` lack."""
    return [name for name, has in discord.Permissions(needed.value & ~bits) if has]
