"""Users, servers, members."""

from __future__ import annotations

from typing import Any

from townhall_bot.loopback.rest.routing import Call, Route
from townhall_bot.loopback.wire import payloads
from townhall_bot.loopback.world import errors


async def me(call: Call) -> Any:
    """Return the bot's own user."""
    return payloads.current_user(call.world.bot)


async def get_user(call: Call) -> Any:
    """Return any user."""
    user = call.world.users.get(call.id("user_id"))
    if user is None:
        raise errors.unknown_user()
    return payloads.user(user)


async def open_direct_channel(call: Call) -> Any:
    """Open the direct-message channel with a person."""
    user = call.world.users.get(int(call.form.get("recipient_id") or 0))
    if user is None:
        raise errors.invalid_form(("recipient_id",), "USER_INVALID", "Unknown user")
    if user.bot:
        raise errors.cannot_message_user()
    return payloads.channel(call.world.direct_channel(user))


async def my_guilds(call: Call) -> Any:
    """List the servers that the bot is in."""
    keys = ("id", "name", "icon", "banner", "features")
    rows = [{key: payloads.guild(guild)[key] for key in keys} for guild in call.world.guilds.values()]
    return [{**row, "owner": False, "permissions": "0"} for row in rows]


async def leave(call: Call) -> Any:
    """Leave a server."""
    call.world.remove_guild(call.guild)


async def get_guild(call: Call) -> Any:
    """Return a server."""
    return payloads.guild(call.guild)


async def list_channels(call: Call) -> Any:
    """List a server's channels."""
    return [payloads.channel(channel) for channel in call.guild.channels if channel.thread is None]


async def list_roles(call: Call) -> Any:
    """List a server's roles."""
    return [payloads.role(role) for role in call.guild.roles.values()]


async def get_member(call: Call) -> Any:
    """Return one member."""
    member = call.guild.members.get(call.id("user_id"))
    if member is None:
        raise errors.unknown_member()
    return payloads.member(member)


async def list_members(call: Call) -> Any:
    """List the members; only with the privileged members intent."""
    if not call.world.application.privileged.members:
        raise errors.missing_access()
    limit = call.number("limit", 1, 1, 1000)
    after = call.number("after", 0, 0, 2**63)
    members = sorted(call.guild.members.values(), key=lambda member: member.user.id)
    return [payloads.member(member) for member in members if member.user.id > after][:limit]


ROUTES = [
    Route("GET", "/users/@me", me),
    Route("GET", "/users/@me/guilds", my_guilds),
    Route("DELETE", "/users/@me/guilds/{guild_id}", leave),
    Route("POST", "/users/@me/channels", open_direct_channel),
    Route("GET", "/users/{user_id}", get_user),
    Route("GET", "/guilds/{guild_id}", get_guild),
    Route("GET", "/guilds/{guild_id}/channels", list_channels),
    Route("GET", "/guilds/{guild_id}/roles", list_roles),
    Route("GET", "/guilds/{guild_id}/members", list_members),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", get_member),
]
