"""What a route is, and what its handler gets."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from multidict import MultiMapping

from townhall_bot.loopback.wire.rate_limits import Rate
from townhall_bot.loopback.world import errors
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import Channel, Message, Payload
from townhall_bot.loopback.world.world import World


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart body."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its path and body taken apart."""

    world: World
    params: dict[str, str]
    query: MultiMapping[str]
    body: Any
    uploads: dict[int, Upload]

    def id(self, name: str) -> int:
        """Return a path parameter as an id; raises 50035 where it is none."""
        try:
            return int(self.params[name])
        except ValueError:
            text = f'Value "{self.params[name]}" is not snowflake.'
            raise errors.invalid_form((name,), "NUMBER_TYPE_COERCE", text) from None

    def flag(self, name: str) -> bool:
        """Return a boolean of the query."""
        return self.query.get(name, "").lower() in ("1", "true")

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number of the query; raises 50035 where it is none or out of range."""
        given = self.query.get(name, str(default))
        if not given.isdecimal() or not low <= int(given) <= high:
            raise errors.invalid_form((name,), "NUMBER_TYPE_MAX", f"int value should be between {low} and {high}.")
        return int(given)

    @property
    def form(self) -> Payload:
        """The body as an object; raises 50035 where it is something else."""
        if not isinstance(self.body, dict):
            raise errors.invalid_form((), "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return self.body

    @property
    def forms(self) -> list[Payload]:
        """The body as a list of objects; raises 50035 where it is something else."""
        if not isinstance(self.body, list) or not all(isinstance(each, dict) for each in self.body):
            raise errors.invalid_form((), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return self.body

    @property
    def guild(self) -> Guild:
        """The server in the path; raises 10004."""
        guild = self.world.guilds.get(self.id("guild_id"))
        if guild is None:
            raise errors.unknown_guild()
        return guild

    @property
    def channel(self) -> Channel:
        """The channel in the path; raises 10003."""
        channel = self.world.channels.get(self.id("channel_id"))
        if channel is None:
            raise errors.unknown_channel()
        return channel

    @property
    def message(self) -> Message:
        """The message in the path; ephemeral ones are not there for this API. Raises 10008."""
        message = self.channel.history.get(self.id("message_id"))
        if message is None or message.ephemeral:
            raise errors.unknown_message()
        return message

    def check_application(self, name: str = "application_id") -> None:
        """Raise 20012 where the path names somebody else's application."""
        if self.id(name) != self.world.application.id:
            raise errors.DiscordError(403, 20012, "You are not authorized to perform this action on this application")


EASY = Rate(50, 1.0)
Handler = Callable[[Call], Awaitable[Any]]
"""Returns the JSON to answer with, or None for 204."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path, written as in Discord's OpenAPI description.

    ``needs_token`` is False where the path itself carries the secret. ``rate`` None means that no bucket counts it.
    """

    method: str
    path: str
    handle: Handler
    needs_token: bool = True
    rate: Rate | None = EASY


@functools.lru_cache(maxsize=256)
def major_parameters(path: str) -> tuple[str, ...]:
    """Return the path parameters that separate rate-limit buckets (Discord API reference, "Rate Limits")."""
    majors = ("channel_id", "guild_id", "webhook_id", "webhook_token")
    return tuple(name for name in majors if f"{{{name}}}" in path)
