"""Messages, commands and interactions as Discord writes them on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from townhall_bot.loopback.wire import payloads
from townhall_bot.loopback.world import installs, permissions
from townhall_bot.loopback.world.clock import iso
from townhall_bot.loopback.world.enums import Install, InteractionType
from townhall_bot.loopback.world.state import Attachment, Command, Interaction, Message, Payload

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World

ATTACHMENT_SIZE_LIMIT = 10 * 1024 * 1024
"""Most bytes of a message's files in a server without boosts."""


def attachment(of: Attachment, channel_id: int, base_url: str) -> Payload:
    """Return an attachment object; its address is served by the loopback."""
    url = f"{base_url}/attachments/{channel_id}/{of.id}/{quote(of.filename)}"
    return {
        "id": str(of.id),
        "filename": of.filename,
        "size": len(of.data),
        "content_type": of.content_type,
        "url": url,
        "proxy_url": url,
        **({"description": of.description} if of.description else {}),
    }


def embed(shown: Payload, of: Message, base_url: str) -> Payload:
    """Return an embed of a message; where it shows one of the message's own files, with that file's address."""
    pictures: Payload = {}
    for key in ("image", "thumbnail"):
        address = str((shown.get(key) or {}).get("url", ""))
        for file in of.attachments:
            if address == f"attachment://{file.filename}":
                pictures[key] = {**shown[key], "url": attachment(file, of.channel.id, base_url)["url"]}
    return {**shown, **pictures}


def message(
    of: Message, base_url: str, *, with_content: bool = True, with_reference: bool = True, reads_all: bool = True
) -> Payload:
    """Return a message object; ``with_content`` False is what a bot without the message content intent gets.

    ``reads_all`` False blanks the message replied to in the same way, where that is neither the bot's nor to it.
    """
    guild_of = of.channel.guild
    return {
        "id": str(of.id),
        "type": of.type,
        "channel_id": str(of.channel.id),
        "author": payloads.user(of.author),
        "content": of.content if with_content else "",
        "embeds": [embed(each, of, base_url) for each in of.embeds] if with_content else [],
        "components": of.components if with_content else [],
        "attachments": [attachment(a, of.channel.id, base_url) for a in of.attachments] if with_content else [],
        "timestamp": iso(of.created_at),
        "edited_timestamp": iso(of.edited_at) if of.edited_at is not None else None,
        "flags": of.flags,
        "tts": of.tts,
        "pinned": False,
        "mention_everyone": of.pings_everyone,
        "mentions": [payloads.user(each) for each in of.pings],
        "mention_roles": [str(role_id) for role_id in of.pings_roles],
        **({"nonce": of.nonce} if of.nonce is not None else {}),
        **({"reactions": [_reaction(*each) for each in of.reactions.items()]} if of.reactions else {}),
        **(_interaction_origin(of.interaction) if of.interaction else {}),
        **({"message_reference": _place(of.reference)} if of.reference else {}),
        **(_referenced(of.reference, base_url, reads_all) if of.reference and with_reference else {}),
        **({"position": 0} if guild_of else {}),
    }


def _reaction(emoji: str, users: list[int]) -> Payload:
    return {
        "emoji": {"id": None, "name": emoji},
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "burst_colors": [],
        "me": False,
        "me_burst": False,
    }


def _metadata(of: Interaction) -> Payload:
    metadata: Payload = {
        "id": str(of.id),
        "type": int(of.type),
        "user": payloads.user(of.user),
        "authorizing_integration_owners": of.owners,
    }
    if of.command is not None:
        metadata |= {"name": of.command.name, "command_type": int(of.command.type)}
    if of.trigger is not None:
        metadata["triggering_interaction_metadata"] = _metadata(of.trigger)
    elif of.message is not None:
        metadata["interacted_message_id"] = str(of.message.id)
    return metadata


def _interaction_origin(of: Interaction) -> Payload:
    origin: Payload = {"interaction_metadata": _metadata(of)}
    if of.command is not None:
        origin["interaction"] = {
            "id": str(of.id),
            "type": int(of.type),
            "name": of.command.name,
            "user": payloads.user(of.user),
        }
    return origin


def _place(of: Message) -> Payload:
    place: Payload = {"type": 0, "channel_id": str(of.channel.id), "message_id": str(of.id)}
    return {**place, **({"guild_id": str(of.channel.guild.id)} if of.channel.guild else {})}


def _referenced(of: Message, base_url: str, reads_all: bool) -> Payload:
    # One level deep, as Discord does: the message replied to tells which one it replies to itself, and no more.
    with_content = reads_all or of.author.bot or any(each.bot for each in of.pings) or of.channel.guild is None
    inner = None if of.deleted else message(of, base_url, with_content=with_content, with_reference=False)
    return {"referenced_message": inner}


def command(of: Command, application_id: int) -> Payload:
    """Return an application command object."""
    needed = of.definition.get("default_member_permissions")
    return {
        "id": str(of.id),
        "application_id": str(application_id),
        "version": str(of.version),
        "type": int(of.type),
        "description": "",
        "default_member_permissions": None,
        "dm_permission": True,
        "nsfw": False,
        "contexts": None,
        "integration_types": [0, 1],  # what the application has, where a command does not say
        "name_localizations": None,
        "description_localizations": None,
        **{key: value for key, value in of.definition.items() if value is not None},
        **({"default_member_permissions": str(needed)} if needed is not None else {}),
        **({"guild_id": str(of.guild_id)} if of.guild_id else {}),
    }


def interaction(of: Interaction, world: World) -> Payload:
    """Return an interaction as INTERACTION_CREATE gives it."""
    app = world.application
    brought_along = str(int(Install.GUILD)) not in of.owners  # by a person: it may do what they may, by answers
    app_permissions = permissions.in_channel(of.channel, of.user.id if brought_along else app.bot.id)
    body: dict[str, Any] = {
        "id": str(of.id),
        "application_id": str(app.id),
        "type": int(of.type),
        "token": of.token,
        "version": 1,
        "locale": of.user.locale,
        "data": of.data,
        "channel_id": str(of.channel.id),
        "channel": payloads.channel(of.channel),
        "app_permissions": str(app_permissions),
        "entitlements": [],
        "authorizing_integration_owners": of.owners,
        "context": int(installs.context_of(of.channel)),
        "attachment_size_limit": ATTACHMENT_SIZE_LIMIT,
    }
    if of.guild is not None:
        held = permissions.in_channel(of.channel, of.user.id)
        body["guild_id"] = str(of.guild.id)
        body["guild"] = {"id": str(of.guild.id), "locale": of.guild.locale, "features": []}
        body["guild_locale"] = of.guild.locale
        body["channel"]["permissions"] = str(held)
        body["member"] = {**payloads.member(of.guild.members[of.user.id]), "permissions": str(held)}
    else:
        body["user"] = payloads.user(of.user)
    if of.message is not None and of.type in (InteractionType.COMPONENT, InteractionType.MODAL):
        body["message"] = message(of.message, world.base_url)
    return body
