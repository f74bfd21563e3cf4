"""Threads and forum posts: begun, archived, locked, and what Discord refuses in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from townhall_bot.loopback.world import errors, permissions
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Channel, Message, Thread, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World

NAME_LIMIT = 100


def begin(world: World, parent: Channel, name: str, owner: User, starter: Message | None = None) -> Channel:
    """Begin a thread in a channel, below a message or by itself; in a forum that is a post."""
    guild = parent.guild
    assert guild is not None and parent.thread is None  # noqa: PT018 - both were looked at by who calls
    kind = ChannelType.NEWS_THREAD if parent.type is ChannelType.NEWS else ChannelType.THREAD
    key = starter.id if starter is not None else world.ids.next()  # Discord gives a thread its message's id
    thread = Thread(parent, owner, world.clock())
    channel = Channel(key, name, kind, guild=guild, thread=thread, position=len(guild.channels))
    guild.channels.append(channel)
    world.channels[key] = channel
    world.publish(Change("channel_created", guild=guild, channel=channel))
    return channel


def change(world: World, channel: Channel, *, archived: bool | None = None, locked: bool | None = None) -> None:
    """Archive or lock a thread, or open it again."""
    thread = channel.thread
    assert thread is not None  # only threads are changed so
    thread.archived = thread.archived if archived is None else archived
    thread.locked = thread.locked if locked is None else locked
    world.publish(Change("channel_updated", guild=channel.guild, channel=channel))


def check_may_write(channel: Channel, user_id: int) -> None:
    """Raise 160005 where a thread is locked for somebody."""
    if channel.thread is None or not channel.thread.locked:
        return
    if not permissions.allows(permissions.in_channel(channel, user_id), "manage_threads"):
        raise errors.locked_thread()


def check_may_edit(channel: Channel) -> None:
    """Raise 50083 where a thread is archived: sending opens it again, editing does not."""
    if channel.thread is not None and channel.thread.archived:
        raise errors.archived_thread()
