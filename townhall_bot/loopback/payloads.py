"""State as Discord writes it on the wire: JSON objects with ids as strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from townhall_bot.loopback import permissions
from townhall_bot.loopback.clock import iso
from townhall_bot.loopback.state import (
    Attachment,
    Channel,
    ChannelType,
    Command,
    Interaction,
    InteractionType,
    Member,
    Message,
    Payload,
    Role,
    User,
)

if TYPE_CHECKING:
    from townhall_bot.loopback.guild import Guild
    from townhall_bot.loopback.world import World

ATTACHMENT_SIZE_LIMIT = 10 * 1024 * 1024
INTENT_FLAGS = {"presences": 1 << 13, "members": 1 << 15, "message_content": 1 << 19}
"""Application flags of the privileged intents, as an unverified bot has them (the "limited" bits)."""


def user(of: User) -> Payload:
    """Return a user object."""
    return {
        "id": str(of.id),
        "username": of.name,
        "global_name": None if of.bot else of.display_name,
        "discriminator": "0000" if of.bot else "0",
        "avatar": None,
        "bot": of.bot,
        "system": False,
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
        "collectibles": None,
        "primary_guild": None,
    }


def current_user(of: User) -> Payload:
    """Return the bot's own user object, which says more."""
    return {**user(of), "mfa_enabled": False, "verified": True, "locale": "en-US", "email": None, "bio": ""}


def application(world: World) -> Payload:
    """Return the bot's application object."""
    app = world.application
    owner = User(1, "townhall_owner", "Townhall owner")
    return {
        "id": str(app.id),
        "name": app.name,
        "icon": None,
        "description": "",
        "summary": "",
        "type": None,
        "bot": user(app.bot),
        "bot_public": True,
        "bot_require_code_grant": False,
        "is_monetized": False,
        "is_verified": False,
        "hook": True,
        "storefront_available": False,
        "flags": application_flags(world),
        "flags_new": str(application_flags(world)),
        "owner": user(owner),
        "team": None,
        "verify_key": app.verify_key,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": ["bot", "applications.commands"],
        "integration_types_config": {"0": {}},
    }


def application_flags(world: World) -> int:
    """Return the flags that say which privileged intents are on."""
    return sum(bit for name, bit in INTENT_FLAGS.items() if getattr(world.application.privileged, name))


def role(of: Role) -> Payload:
    """Return a role object."""
    return {
        "id": str(of.id),
        "name": of.name,
        "description": None,
        "permissions": str(of.permissions),
        "position": of.position,
        "color": of.color,
        "colors": {"primary_color": of.color, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": of.managed_by is not None,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
        **({"tags": {"bot_id": str(of.managed_by)}} if of.managed_by else {}),
    }


def member(of: Member, *, with_user: bool = True) -> Payload:
    """Return a member object."""
    return {
        **({"user": user(of.user)} if with_user else {}),
        "nick": of.nick,
        "roles": [str(role_id) for role_id in of.role_ids],
        "joined_at": iso(of.joined_at),
        "premium_since": None,
        "communication_disabled_until": None,
        "avatar": None,
        "banner": None,
        "avatar_decoration_data": None,
        "pending": False,
        "deaf": False,
        "mute": False,
        "flags": 0,
    }


def channel(of: Channel) -> Payload:
    """Return a channel object."""
    last = next(reversed(of.history), None)
    base: Payload = {
        "id": str(of.id),
        "type": int(of.type),
        "flags": 0,
        "last_message_id": str(last) if last else None,
    }
    if of.type is ChannelType.DM:
        return {**base, "recipients": [user(of.recipient)] if of.recipient else []}
    return {
        **base,
        **({"guild_id": str(of.guild.id)} if of.guild else {}),
        "name": of.name,
        "position": of.position,
        "topic": of.topic,
        "nsfw": of.nsfw,
        "parent_id": None,
        "rate_limit_per_user": 0,
        "permission_overwrites": [
            {"id": str(o.target_id), "type": int(o.is_member), "allow": str(o.allow), "deny": str(o.deny)}
            for o in of.overwrites.values()
        ],
    }


def guild(of: Guild) -> Payload:
    """Return a server object, as the REST API gives it."""
    return {
        "id": str(of.id),
        "name": of.name,
        "owner_id": str(of.owner_id),
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "home_header": None,
        "description": None,
        "banner": None,
        "region": "us-west",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 1,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw": False,
        "nsfw_level": 0,
        "application_id": None,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "max_presences": None,
        "max_members": 500_000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "features": [],
        "roles": [role(each) for each in of.roles.values()],
        "emojis": [],
        "stickers": [],
        "incidents_data": None,
    }


def gateway_guild(of: Guild, bot_id: int, *, all_members: bool) -> Payload:
    """Return a server object as GUILD_CREATE gives it; without the members intent it names only the bot."""
    return {
        **guild(of),
        "joined_at": iso(of.members[bot_id].joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(of.members),
        "voice_states": [],
        "members": [member(each) for each in of.members.values() if all_members or each.user.id == bot_id],
        "channels": [channel(each) for each in of.channels],
        "threads": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


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


def message(of: Message, base_url: str, *, with_content: bool = True) -> Payload:
    """Return a message object; ``with_content`` False is what a bot without the message content intent gets."""
    guild_of = of.channel.guild
    return {
        "id": str(of.id),
        "type": of.type,
        "channel_id": str(of.channel.id),
        "author": user(of.author),
        "content": of.content if with_content else "",
        "embeds": of.embeds if with_content else [],
        "components": of.components if with_content else [],
        "attachments": [attachment(a, of.channel.id, base_url) for a in of.attachments] if with_content else [],
        "timestamp": iso(of.created_at),
        "edited_timestamp": iso(of.edited_at) if of.edited_at is not None else None,
        "flags": of.flags,
        "tts": of.tts,
        "pinned": False,
        "mention_everyone": of.pings_everyone,
        "mentions": [user(each) for each in of.pings],
        "mention_roles": [str(role_id) for role_id in of.pings_roles],
        **({"nonce": of.nonce} if of.nonce is not None else {}),
        **({"reactions": [_reaction(*each) for each in of.reactions.items()]} if of.reactions else {}),
        **(_interaction_origin(of.interaction) if of.interaction else {}),
        **(_reference(of.reference, base_url) if of.reference else {}),
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
        "user": user(of.user),
        "authorizing_integration_owners": _owners(of),
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
            "user": user(of.user),
        }
    return origin


def _reference(of: Message, base_url: str) -> Payload:
    place: Payload = {"type": 0, "channel_id": str(of.channel.id), "message_id": str(of.id)}
    if of.channel.guild:
        place["guild_id"] = str(of.channel.guild.id)
    # One level deep, as Discord does: the message replied to carries no reference of its own.
    inner = None if of.deleted else {k: v for k, v in _bare(of, base_url).items() if k != "referenced_message"}
    return {"message_reference": place, "referenced_message": inner}


def _bare(of: Message, base_url: str) -> Payload:
    reference, of.reference = of.reference, None
    try:
        return message(of, base_url)
    finally:
        of.reference = reference


def _owners(of: Interaction) -> dict[str, str]:
    return {"0": str(of.guild.id) if of.guild else "0"}


def command(of: Command, application_id: int) -> Payload:
    """Return an application command object."""
    needed = of.definition.get("default_member_permissions")
    return {
        "id": str(of.id),
        "application_id": str(application_id),
        "version": str(of.id),
        "type": int(of.type),
        "description": "",
        "default_member_permissions": None,
        "dm_permission": True,
        "nsfw": False,
        "contexts": None,
        "integration_types": [0],
        "name_localizations": None,
        "description_localizations": None,
        **{key: value for key, value in of.definition.items() if value is not None},
        **({"default_member_permissions": str(needed)} if needed is not None else {}),
        **({"guild_id": str(of.guild_id)} if of.guild_id else {}),
    }


def interaction(of: Interaction, world: World) -> Payload:
    """Return an interaction as INTERACTION_CREATE gives it."""
    app = world.application
    app_permissions = permissions.in_channel(of.channel, app.bot.id)
    body: dict[str, Any] = {
        "id": str(of.id),
        "application_id": str(app.id),
        "type": int(of.type),
        "token": of.token,
        "version": 1,
        "locale": "en-US",
        "data": of.data,
        "channel_id": str(of.channel.id),
        "channel": channel(of.channel),
        "app_permissions": str(app_permissions),
        "entitlements": [],
        "authorizing_integration_owners": _owners(of),
        "context": 0 if of.guild else 1,
        "attachment_size_limit": ATTACHMENT_SIZE_LIMIT,
    }
    if of.guild is not None:
        held = permissions.in_channel(of.channel, of.user.id)
        body["guild_id"] = str(of.guild.id)
        body["guild"] = {"id": str(of.guild.id), "locale": "en-US", "features": []}
        body["guild_locale"] = "en-US"
        body["channel"]["permissions"] = str(held)
        body["member"] = {**member(of.guild.members[of.user.id]), "permissions": str(held)}
    else:
        body["user"] = user(of.user)
    if of.message is not None and of.type in (InteractionType.COMPONENT, InteractionType.MODAL):
        body["message"] = message(of.message, world.base_url)
    return body
