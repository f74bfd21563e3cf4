"""What Discord's client keeps a person from: writing, asking or beginning a thread where they may not."""

from __future__ import annotations

from townhall_bot.loopback.people.refusals import CommandRefused, Permissions
from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.state import Channel, Message, User


def check(user: User, place: Channel, name: str) -> None:
    """Raise :class:`CommandRefused` where somebody lacks a permission, by discord.py's name, in a channel."""
    if not _may(user, place, name):
        lacking = Permissions((name,))
        raise CommandRefused("right.lacks", name=user.display_name, permissions=lacking, channel=place.name)


def check_may_write(user: User, place: Channel, now: float) -> None:
    """Raise :class:`CommandRefused` where somebody may not write; ``now`` is in seconds."""
    check(user, place, "send_messages" if place.thread is None else "send_messages_in_threads")
    if place.type is ChannelType.FORUM:
        raise CommandRefused("place.forum", channel=place.name)
    _check_open(user, place)
    mine = [each.created_at for each in place.history.values() if each.author is user]
    wait = mine[-1] + place.slow_mode - now if mine else 0
    if wait > 0 and not _may(user, place, "manage_messages"):
        raise CommandRefused("place.slow", seconds=wait)


def check_may_use(user: User, place: Channel) -> None:
    """Raise :class:`CommandRefused` where a channel takes no commands of somebody's."""
    if place.type is ChannelType.FORUM:
        raise CommandRefused("place.forum_commands", channel=place.name)
    _check_open(user, place)


def check_may_begin_thread(user: User, place: Channel, starter: Message | None) -> None:
    """Raise :class:`CommandRefused` where somebody may not begin a thread."""
    if place.guild is None or place.thread is not None:
        raise CommandRefused("place.no_threads")
    check(user, place, "create_public_threads")
    if starter is not None and starter.id in place.guild.world.channels:
        raise CommandRefused("place.has_thread")


def _check_open(user: User, place: Channel) -> None:
    if place.thread is not None and place.thread.locked and not _may(user, place, "manage_threads"):
        raise CommandRefused("place.locked")


def _may(user: User, place: Channel, name: str) -> bool:
    return permissions.allows(permissions.in_channel(place, user.id), name)
