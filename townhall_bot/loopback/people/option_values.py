"""From what a person types after ``option:`` to the value that Discord sends, with what it refers to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from townhall_bot.loopback.people.refusals import CommandRefused
from townhall_bot.loopback.wire import message_payloads, payloads
from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.command_rules import MAX_SAFE_INTEGER
from townhall_bot.loopback.world.enums import OptionType
from townhall_bot.loopback.world.state import Attachment, Channel, Message, Payload, Role, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World

STRING_LIMIT = 6000
MENTION = re.compile(r"^<[@#][!&]?(\d+)>$")


class Scope:
    """Where a command is typed, and the objects its values refer to (``resolved``)."""

    def __init__(self, world: World, channel: Channel) -> None:
        self.world = world
        self.channel = channel
        self.resolved: Payload = {}

    def _note(self, kind: str, key: int, payload: Payload) -> str:
        self.resolved.setdefault(kind, {})[str(key)] = payload
        return str(key)

    def user(self, user: User) -> str:
        """Refer to a person; returns the id as the value."""
        guild = self.channel.guild
        if guild is not None and user.id in guild.members:
            member = payloads.member(guild.members[user.id], with_user=False)
            member["permissions"] = str(permissions.in_channel(self.channel, user.id))
            self._note("members", user.id, member)
        return self._note("users", user.id, payloads.user(user))

    def role(self, role: Role) -> str:
        """Refer to a role."""
        return self._note("roles", role.id, payloads.role(role))

    def to_channel(self, channel: Channel) -> str:
        """Refer to a channel."""
        held = permissions.in_channel(channel, self.world.bot.id)
        return self._note("channels", channel.id, {**payloads.channel(channel), "permissions": str(held)})

    def message(self, message: Message) -> str:
        """Refer to a message; its text is there whatever the bot's intents are."""
        return self._note("messages", message.id, message_payloads.message(message, self.world.base_url))

    def attach(self, attachment: Attachment) -> str:
        """Upload a file for an option."""
        self.world.files[attachment.id] = attachment
        payload = message_payloads.attachment(attachment, self.channel.id, self.world.base_url)
        return self._note("attachments", attachment.id, payload)

    def find_user(self, text: str) -> User | None:
        """Return the person whom a mention, an id or a name means."""
        guild = self.channel.guild
        users = [member.user for member in guild.members.values()] if guild else list(self.world.users.values())
        return next((u for u in users if _means(text, "@", u.id, u.name, u.display_name)), None)

    def find_role(self, text: str) -> Role | None:
        """Return the role that a mention, an id or a name means."""
        roles = self.channel.guild.roles.values() if self.channel.guild else ()
        return next((role for role in roles if _means(text, "@", role.id, role.name)), None)

    def find_channel(self, text: str) -> Channel | None:
        """Return the channel that a mention, an id or a name means."""
        channels = self.channel.guild.channels if self.channel.guild else ()
        return next((channel for channel in channels if _means(text, "#", channel.id, channel.name)), None)


def _means(text: str, sign: str, key: int, *names: str) -> bool:
    mention = MENTION.match(text)
    if mention is not None:
        return int(mention.group(1)) == key
    bare = text.removeprefix(sign).lower()
    return bare == str(key) or bare in (name.lower() for name in names)


def convert(option: Payload, text: str, scope: Scope) -> Any:
    """Return the value that Discord sends for ``text``; raises :class:`CommandRefused`."""
    name, kind = option["name"], option["type"]
    if choices := option.get("choices"):
        for choice in choices:
            if text.lower() in (str(choice["name"]).lower(), str(choice["value"]).lower()):
                return choice["value"]
        offered = tuple(choice["name"] for choice in choices)
        raise CommandRefused("option.choice", option=name, text=text, offered=offered)
    if kind == OptionType.STRING:
        return _string(option, text)
    if kind in (OptionType.INTEGER, OptionType.NUMBER):
        return _number(option, text)
    if kind == OptionType.BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise CommandRefused("option.boolean", option=name, text=text)
        return text.lower() == "true"
    return _entity(option, text, scope)


def _string(option: Payload, text: str) -> str:
    low, high = option.get("min_length", 0), option.get("max_length", STRING_LIMIT)
    if not low <= len(text) <= high:
        raise CommandRefused("option.length", option=option["name"], low=low, high=high, size=len(text))
    return text


def _number(option: Payload, text: str) -> int | float:
    whole = option["type"] == OptionType.INTEGER
    kind = "option.integer" if whole else "option.number"
    try:
        value: int | float = int(text) if whole else float(text)
    except ValueError:
        raise CommandRefused(kind, option=option["name"], text=text) from None
    low, high = option.get("min_value", -MAX_SAFE_INTEGER), option.get("max_value", MAX_SAFE_INTEGER)
    if not low <= value <= high:
        raise CommandRefused(f"{kind}_range", option=option["name"], low=low, high=high, text=text)
    return value


def _entity(option: Payload, text: str, scope: Scope) -> str:
    kind = option["type"]
    if kind in (OptionType.USER, OptionType.MENTIONABLE) and (user := scope.find_user(text)) is not None:
        return scope.user(user)
    if kind in (OptionType.ROLE, OptionType.MENTIONABLE) and (role := scope.find_role(text)) is not None:
        return scope.role(role)
    if kind == OptionType.CHANNEL and (channel := scope.find_channel(text)) is not None:
        types = option.get("channel_types")
        if types and channel.type not in types:
            raise CommandRefused("option.channel_kind", option=option["name"], channel=channel.name)
        return scope.to_channel(channel)
    if kind == OptionType.ATTACHMENT:
        raise CommandRefused("option.file", option=option["name"])
    raise CommandRefused("option.nobody", option=option["name"], text=text)
