"""Reactions below a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Message, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World


def add(world: World, message: Message, user: User, emoji: str) -> None:
    """Add a reaction; a second one of the same person and emoji changes nothing."""
    users = message.reactions.setdefault(emoji, [])
    if user.id not in users:
        users.append(user.id)
        world.publish(Change("reaction_added", channel=message.channel, message=message, user=user, emoji=emoji))


def remove(world: World, message: Message, user: User, emoji: str) -> None:
    """Take a reaction back, where there is one."""
    users = message.reactions.get(emoji, [])
    if user.id in users:
        users.remove(user.id)
        if not users:
            del message.reactions[emoji]
        world.publish(Change("reaction_removed", channel=message.channel, message=message, user=user, emoji=emoji))
