"""Threads: begun below a message or by themselves, archived, locked, renamed."""

from __future__ import annotations

from typing import Any

from townhall_bot.loopback.rest import compose
from townhall_bot.loopback.rest.channels import MESSAGES, need
from townhall_bot.loopback.rest.routing import Call, Route
from townhall_bot.loopback.wire import payloads
from townhall_bot.loopback.wire.rate_limits import Rate
from townhall_bot.loopback.world import errors, permissions, threads
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.errors import FormErrors
from townhall_bot.loopback.world.state import Channel


def _name(call: Call) -> str:
    form = FormErrors()
    form.check_length(("name",), call.form.get("name"), 1, threads.NAME_LIMIT)
    form.raise_if_any()
    return str(call.form["name"])


def _check_parent(call: Call, channel: Channel) -> None:
    need(call, channel, "create_public_threads")
    if channel.guild is None or channel.thread is not None or channel.type is ChannelType.VOICE:
        raise errors.DiscordError(400, 50024, "Cannot execute action on this channel type")


async def begin_below(call: Call) -> Any:
    """Begin a thread below a message."""
    _check_parent(call, call.channel)
    message = call.message
    if message.id in call.world.channels:
        raise errors.has_thread()
    return payloads.channel(threads.begin(call.world, call.channel, _name(call), call.world.bot, message))


async def begin(call: Call) -> Any:
    """Begin a thread by itself, or a forum's post with its first message."""
    _check_parent(call, call.channel)
    channel = threads.begin(call.world, call.channel, _name(call), call.world.bot)
    if call.channel.type is ChannelType.FORUM:
        message = call.world.new_message(channel, call.world.bot)
        compose.write(call, message, call.form.get("message") or {}, creating=True)
        call.world.post(message)
    return payloads.channel(channel)


async def change(call: Call) -> Any:
    """Archive, lock or rename a thread: its owner may, but for locking, and who has Manage Threads."""
    channel, body = call.channel, call.form
    need(call, channel)
    if channel.thread is None:
        raise errors.missing_permissions()
    manages = permissions.allows(permissions.in_channel(channel, call.world.bot.id), "manage_threads")
    if not manages and (channel.thread.owner is not call.world.bot or "locked" in body):
        raise errors.missing_permissions()
    channel.name = _name(call) if "name" in body else channel.name
    threads.change(call.world, channel, archived=body.get("archived"), locked=body.get("locked"))
    return payloads.channel(channel)


ROUTES = [
    Route("POST", f"{MESSAGES}/{{message_id}}/threads", begin_below, rate=Rate(50, 300.0)),
    Route("POST", "/channels/{channel_id}/threads", begin, rate=Rate(50, 300.0)),
    Route("PATCH", "/channels/{channel_id}", change, rate=Rate(5, 5.0)),
]
