"""Channels and ordinary messages."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import unquote

import discord

from townhall_bot.loopback.rest import compose
from townhall_bot.loopback.rest.routing import Call, Route
from townhall_bot.loopback.wire import message_payloads, payloads
from townhall_bot.loopback.wire.rate_limits import Rate
from townhall_bot.loopback.world import errors, permissions, reactions, threads
from townhall_bot.loopback.world.enums import ChannelType, MessageFlag, MessageType
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Channel, Message, Payload

NONCE_SECONDS = 300.0


def need(call: Call, channel: Channel, *names: str) -> None:
    """Raise 50001 where the bot does not see the channel, 50013 where it lacks a named permission there."""
    bits = permissions.in_channel(channel, call.world.bot.id)
    if not permissions.allows(bits, "view_channel"):
        raise errors.missing_access()
    if permissions.missing(bits, discord.Permissions(**dict.fromkeys(names, True))):
        raise errors.missing_permissions()


def writing_in(channel: Channel) -> str:
    """Return the permission that lets somebody write in a channel."""
    return "send_messages" if channel.thread is None else "send_messages_in_threads"


def _shown(call: Call, message: Message) -> Payload:
    world = call.world
    mine = message.author is world.bot or world.bot in message.pings or message.channel.guild is None
    reads = world.application.privileged.message_content
    return message_payloads.message(message, world.base_url, with_content=mine or reads, reads_all=reads)


async def get_channel(call: Call) -> Any:
    """Return a channel."""
    need(call, call.channel)
    return payloads.channel(call.channel)


async def list_messages(call: Call) -> Any:
    """Return messages, newest first."""
    need(call, call.channel, "read_message_history")
    limit = call.number("limit", 50, 1, 100)
    messages = call.channel.messages
    before, after = call.query.get("before"), call.query.get("after")
    if before is not None:
        messages = [message for message in messages if message.id < int(before)]
    if after is not None:
        messages = [message for message in messages if message.id > int(after)][:limit]
    return [_shown(call, message) for message in reversed(messages[-limit:])]


async def get_message(call: Call) -> Any:
    """Return one message."""
    need(call, call.channel, "read_message_history")
    return _shown(call, call.message)


def _sent_before(call: Call, channel: Channel, nonce: object) -> Message | None:
    """Return what the bot sent under this nonce in the last minutes, so that a repeated request does no harm."""
    oldest = call.world.clock() - NONCE_SECONDS
    mine = (m for m in reversed(channel.history.values()) if m.author is call.world.bot)
    recent = itertools.takewhile(lambda message: message.created_at >= oldest, mine)
    return next((message for message in recent if nonce is not None and message.nonce == nonce), None)


async def send(call: Call) -> Any:
    """Post a message as the bot."""
    channel, body = call.channel, call.form
    if channel.type is ChannelType.FORUM:
        raise errors.DiscordError(400, 50008, "Cannot send messages in a non-text channel")
    needed = [writing_in(channel)] if channel.guild else []
    needed += ["embed_links"] if body.get("embeds") and channel.guild else []
    needed += ["attach_files"] if call.uploads and channel.guild else []
    need(call, channel, *needed)
    if body.get("enforce_nonce") and (same := _sent_before(call, channel, body.get("nonce"))) is not None:
        return message_payloads.message(same, call.world.base_url)
    threads.check_may_write(channel, call.world.bot.id)
    message = call.world.new_message(channel, call.world.bot)
    if (reference := body.get("message_reference")) is not None:
        target = channel.history.get(int(reference["message_id"]))
        if target is None and reference.get("fail_if_not_exists", True):
            text = "Unknown message"
            raise errors.invalid_form(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", text)
        message.type, message.reference = (MessageType.REPLY, target) if target else (MessageType.DEFAULT, None)
    compose.write(call, message, {**body, "flags": int(body.get("flags") or 0) & ~MessageFlag.EPHEMERAL}, creating=True)
    call.world.post(message)
    return _shown(call, message)


async def edit(call: Call) -> Any:
    """Edit a message of the bot."""
    need(call, call.channel)
    message = call.message
    if message.author is not call.world.bot:
        raise errors.not_the_author()
    threads.check_may_edit(call.channel)
    compose.write(call, message, call.form, creating=False)
    call.world.edited(message)
    return _shown(call, message)


async def delete(call: Call) -> Any:
    """Delete a message: the bot's own, or anybody's with Manage Messages."""
    message = call.message
    need(call, call.channel, *([] if message.author is call.world.bot else ["manage_messages"]))
    call.world.delete(message)


async def bulk_delete(call: Call) -> Any:
    """Delete 2 to 100 messages at once."""
    need(call, call.channel, "manage_messages")
    ids = call.form.get("messages")
    if not isinstance(ids, list) or not 2 <= len(ids) <= 100:
        raise errors.invalid_form(("messages",), "BASE_TYPE_BAD_LENGTH", "Must be between 2 and 100 in length.")
    for message in [m for m in call.channel.messages if str(m.id) in set(map(str, ids))]:
        call.world.delete(message)


async def typing(call: Call) -> Any:
    """Show that the bot is typing."""
    need(call, call.channel, *([writing_in(call.channel)] if call.channel.guild else []))
    call.world.publish(Change("typing", channel=call.channel))


async def react(call: Call) -> Any:
    """Add the bot's reaction."""
    need(call, call.channel, "read_message_history", "add_reactions")
    reactions.add(call.world, call.message, call.world.bot, unquote(call.params["emoji_name"]))


async def unreact(call: Call) -> Any:
    """Take the bot's reaction back."""
    reactions.remove(call.world, call.message, call.world.bot, unquote(call.params["emoji_name"]))


MESSAGES = "/channels/{channel_id}/messages"
ONE = f"{MESSAGES}/{{message_id}}"
ROUTES = [
    Route("GET", "/channels/{channel_id}", get_channel),
    Route("GET", MESSAGES, list_messages),
    Route("POST", MESSAGES, send, rate=Rate(5, 5.0)),
    Route("POST", f"{MESSAGES}/bulk-delete", bulk_delete, rate=Rate(1, 1.0)),
    Route("GET", ONE, get_message),
    Route("PATCH", ONE, edit, rate=Rate(5, 5.0)),
    Route("DELETE", ONE, delete, rate=Rate(5, 1.0)),
    Route("POST", "/channels/{channel_id}/typing", typing, rate=Rate(5, 5.0)),
    Route("PUT", f"{ONE}/reactions/{{emoji_name}}/@me", react, rate=Rate(1, 0.25)),
    Route("DELETE", f"{ONE}/reactions/{{emoji_name}}/@me", unreact, rate=Rate(1, 0.25)),
]
