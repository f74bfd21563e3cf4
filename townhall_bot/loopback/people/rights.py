"""What Discord's client keeps a person from: writing, asking or beginning a thread where they may not."""

from __future__ import annotations

from townhall_bot.loopback.people.option_values import CommandRefused
from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.state import Channel, Message, User


def check_may_write(user: User, place: Channel, now: float) -> None:
    """Raise :class:`CommandRefused` where somebody may not write; ``now`` is in seconds."""
    in_thread = place.thread is not None
    if not _may(user, place, "send_messages_in_threads" if in_thread else "send_messages"):
        where = f"{' in Threads' if in_thread else ''} in #{place.name}"
        raise CommandRefused(f"{user.display_name} lacks Send Messages{where}")
    if place.type is ChannelType.FORUM:
        raise CommandRefused(f"#{place.name} is a forum: begin a post in it")
    _check_open(user, place)
    mine = [each.created_at for each in place.history.values() if each.author is user]
    wait = mine[-1] + place.slow_mode - now if mine else 0
    if wait > 0 and not _may(user, place, "manage_messages"):
        raise CommandRefused(f"slow mode: wait {wait:.0f} s more")


def check_may_use(user: User, place: Channel) -> None:
    """Raise :class:`CommandRefused` where a channel takes no commands of somebody's."""
    if place.type is ChannelType.FORUM:
        raise CommandRefused(f"#{place.name} is a forum: commands are for its posts")
    _check_open(user, place)


def check_may_begin_thread(user: User, place: Channel, starter: Message | None) -> None:
    """Raise :class:`CommandRefused` where somebody may not begin a thread."""
    if place.guild is None or place.thread is not None:
        raise CommandRefused("threads begin in a server's channels only")
    if not _may(user, place, "create_public_threads"):
        raise CommandRefused(f"{user.display_name} lacks Create Public Threads in #{place.name}")
    if starter is not None and starter.id in place.guild.world.channels:
        raise CommandRefused("that message has a thread already")


def _check_open(user: User, place: Channel) -> None:
    if place.thread is not None and place.thread.locked and not _may(user, place, "manage_threads"):
        raise CommandRefused("this thread is locked")


def _may(user: User, place: Channel, name: str) -> bool:
    return permissions.allows(permissions.in_channel(place, user.id), name)
