"""Which gateway events follow from a change, and which intents let a session see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import discord

from townhall_bot.loopback.wire import message_payloads, payloads
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import Message, Payload
from townhall_bot.loopback.world.world import World

GUILD_CREATE = "GUILD_CREATE"
CHANNEL_EVENTS = {
    "channel_created": "CHANNEL_CREATE",
    "channel_updated": "CHANNEL_UPDATE",
    "channel_deleted": "CHANNEL_DELETE",
}


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One event. ``intent`` names the intent it needs, "" where it comes to everybody."""

    name: str
    guild: Guild | None
    intent: str
    payload_for: Callable[[discord.Intents], Payload]

    def intended_for(self, intents: discord.Intents) -> bool:
        """Tell whether a session with these intents gets the event."""
        return not self.intent or bool(getattr(intents, self.intent))


def dispatches_of(change: Change, world: World) -> list[Dispatch]:
    """Return the events that Discord sends for a change."""
    if change.message is not None:
        return _of_message(change, change.message, world)
    if change.interaction is not None and change.kind == "interaction_created":
        interaction = change.interaction
        if world.application.endpoint is not None:
            return []
        return [_fixed("INTERACTION_CREATE", interaction.guild, "", message_payloads.interaction(interaction, world))]
    if change.member is not None:
        return _of_member(change)
    if change.role is not None and change.guild is not None:
        payload = {"guild_id": str(change.guild.id), "role": payloads.role(change.role)}
        return [_fixed("GUILD_ROLE_CREATE", change.guild, "guilds", payload)]
    if change.guild is not None and change.kind in ("guild_joined", "guild_left"):
        return [_of_guild(change, change.guild, world)]
    if change.channel is not None and change.channel.group:
        return []
    if change.channel is not None and (name := CHANNEL_EVENTS.get(change.kind)) is not None:
        about: Payload = payloads.channel(change.channel)
        if change.channel.thread is not None:
            name = name.replace("CHANNEL", "THREAD")
            if change.kind == "channel_created":
                about["newly_created"] = True
        return [_fixed(name, change.channel.guild, "guilds", about)]
    return []


def _fixed(name: str, guild: Guild | None, intent: str, payload: Payload) -> Dispatch:
    return Dispatch(name, guild, intent, lambda _: payload)


def _of_guild(change: Change, guild: Guild, world: World) -> Dispatch:
    if change.kind == "guild_left":
        return _fixed("GUILD_DELETE", guild, "guilds", {"id": str(guild.id)})

    def payload(intents: discord.Intents) -> Payload:
        body = payloads.gateway_guild(guild, world.bot.id, all_members=intents.members)
        del body["unavailable"]  # by its absence clients tell a join from a server that came back
        return body

    return Dispatch(GUILD_CREATE, guild, "guilds", payload)


def _of_member(change: Change) -> list[Dispatch]:
    member = change.member
    assert member is not None  # the only caller has looked
    guild_id = str(member.guild.id)
    if change.kind == "member_updated":
        payload = {**payloads.member(member), "guild_id": guild_id}
        # Of its own roles a bot hears whatever its intents are.
        return [_fixed("GUILD_MEMBER_UPDATE", member.guild, "" if member.user.bot else "members", payload)]
    if member.user.bot:
        return []
    if change.kind == "member_joined":
        payload = {**payloads.member(member), "guild_id": guild_id}
        return [_fixed("GUILD_MEMBER_ADD", member.guild, "members", payload)]
    payload = {"guild_id": guild_id, "user": payloads.user(member.user)}
    return [_fixed("GUILD_MEMBER_REMOVE", member.guild, "members", payload)]


def _of_message(change: Change, message: Message, world: World) -> list[Dispatch]:
    # Discord tells a bot of an ephemeral message only in the answer to its own request.
    if message.ephemeral or message.channel.group:
        return []
    guild = message.channel.guild
    place = {"channel_id": str(message.channel.id), **({"guild_id": str(guild.id)} if guild else {})}
    intent = "guild_messages" if guild else "dm_messages"
    if change.kind == "message_deleted":
        return [_fixed("MESSAGE_DELETE", guild, intent, {"id": str(message.id), **place})]
    if change.kind in ("reaction_added", "reaction_removed") and change.user is not None:
        name = "MESSAGE_REACTION_ADD" if change.kind == "reaction_added" else "MESSAGE_REACTION_REMOVE"
        payload: Payload = {
            **place,
            "message_id": str(message.id),
            "user_id": str(change.user.id),
            "emoji": {"id": None, "name": change.emoji},
            "burst": False,
            "type": 0,
        }
        return [_fixed(name, guild, "guild_reactions" if guild else "dm_reactions", payload)]

    mine = message.author is world.bot or world.bot in message.pings or guild is None

    def payload_for(intents: discord.Intents) -> Payload:
        reads = intents.message_content
        body = message_payloads.message(message, world.base_url, with_content=mine or reads, reads_all=reads)
        member = guild.members.get(message.author.id) if guild else None
        return {**body, **place, **({"member": payloads.member(member, with_user=False)} if member else {})}

    name = "MESSAGE_CREATE" if change.kind == "message_created" else "MESSAGE_UPDATE"
    return [Dispatch(name, guild, intent, payload_for)]
