"""Whom a message really mentions, after ``allowed_mentions`` and the author's permissions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.state import Message, Payload

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World

USER = re.compile(r"<@!?(\d+)>")
ROLE = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(everyone|here)\b")


def resolve(message: Message, allowed: Payload | None, world: World) -> None:
    """Fill a message's ``pings`` fields. ``allowed`` None means that everything in the text counts.

    A reply pings who wrote what it replies to; one to the answer of a command does not (discord-api-docs issue 5395).
    """
    parse = None if allowed is None else set(allowed.get("parse", []))
    users = {int(i) for i in USER.findall(message.content)}
    roles = {int(i) for i in ROLE.findall(message.content)}
    if parse is not None and "users" not in parse:
        users &= {int(i) for i in (allowed or {}).get("users", [])}
    if parse is not None and "roles" not in parse:
        roles &= {int(i) for i in (allowed or {}).get("roles", [])}
    held = permissions.in_channel(message.channel, message.author.id)
    may_everyone = permissions.allows(held, "mention_everyone")
    everyone = parse is None or "everyone" in parse
    message.pings = [world.users[i] for i in sorted(users) if i in world.users]
    replied_user = message.reference is not None and message.reference.interaction is None  # (issue 5395)
    if message.reference is not None and replied_user and (allowed is None or allowed.get("replied_user", False)):
        author = message.reference.author
        if author not in message.pings:
            message.pings.append(author)
    known_roles = message.channel.guild.roles if message.channel.guild else {}
    message.pings_roles = sorted(roles & known_roles.keys())
    message.pings_everyone = bool(may_everyone and everyone and EVERYONE.search(message.content))
