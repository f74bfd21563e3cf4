"""People, servers and channels as Discord writes them on the wire: JSON objects with ids as strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from townhall_bot.loopback.world.clock import iso
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.state import Channel, Member, Payload, Role, Thread, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.guild import Guild
    from townhall_bot.loopback.world.world import World

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
        "interactions_endpoint_url": app.endpoint,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": ["bot", "applications.commands"],
        "integration_types_config": {"0": {}, "1": {}},  # a new application has both
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
    if of.group:
        people = [user(each) for each in of.group]
        return {**base, "name": None, "icon": None, "owner_id": str(of.group[0].id), "recipients": people}
    if of.thread is not None:
        return {**base, "name": of.name, **_thread(of, of.thread)}
    return {
        **base,
        **({"guild_id": str(of.guild.id)} if of.guild else {}),
        "name": of.name,
        "position": of.position,
        "topic": of.topic,
        "nsfw": of.nsfw,
        "parent_id": None,
        "rate_limit_per_user": of.slow_mode,
        **({"bitrate": 64_000, "user_limit": 0, "rtc_region": None} if of.type is ChannelType.VOICE else {}),
        **({"available_tags": []} if of.type is ChannelType.FORUM else {}),
        "permission_overwrites": [
            {"id": str(o.target_id), "type": int(o.is_member), "allow": str(o.allow), "deny": str(o.deny)}
            for o in of.overwrites.values()
        ],
    }


def _thread(channel: Channel, of: Thread) -> Payload:
    written = sum(1 for message in channel.history.values() if not message.ephemeral)
    return {
        "guild_id": str(channel.guild.id) if channel.guild else None,
        "parent_id": str(of.parent.id),
        "owner_id": str(of.owner.id),
        "message_count": written,
        "total_message_sent": written,
        "member_count": 1,
        "rate_limit_per_user": channel.slow_mode,
        "thread_metadata": {
            "archived": of.archived,
            "locked": of.locked,
            "auto_archive_duration": 4320,
            "archive_timestamp": iso(of.created_at),
            "create_timestamp": iso(of.created_at),
        },
        **({"applied_tags": []} if of.parent.type is ChannelType.FORUM else {}),
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
        "preferred_locale": of.locale,
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
        "channels": [channel(each) for each in of.channels if each.thread is None],
        "threads": [channel(each) for each in of.channels if each.thread is not None and not each.thread.archived],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
