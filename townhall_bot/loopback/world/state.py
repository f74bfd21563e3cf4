"""What a Discord holds: users, servers, channels, messages, commands, interactions. Plain state, no behaviour.

Ids are integers here; they become strings on the wire (``payloads.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import discord

from townhall_bot.loopback.world.enums import (
    ChannelType,
    CommandType,
    ComponentType,
    InteractionType,
    MessageFlag,
    MessageType,
    ResponseType,
)

if TYPE_CHECKING:
    from townhall_bot.loopback.world.guild import Guild

Payload = dict[str, Any]
"""A JSON object on its way to or from the client."""


class HasId(Protocol):
    """Anybody, or anything, that Discord has an id for."""

    @property
    def id(self) -> int:
        """The id."""
        ...


@dataclass(slots=True, eq=False)
class User:
    """A person or the bot."""

    id: int
    name: str
    display_name: str
    bot: bool = False
    locale: str = "en-US"
    """The language of their client, as Discord names it."""
    has_chosen_locale: bool = False
    """Whether they chose it; until then their client has the language of their system."""
    has_installed: bool = False
    """Whether they added the bot to their own account."""


@dataclass(slots=True)
class Application:
    """The bot's entry in the developer portal. ``privileged`` are the privileged intents switched on there."""

    id: int
    name: str
    bot: User
    token: str
    verify_key: str
    """The public half of the key by which Discord signs what it posts."""
    privileged: discord.Intents = field(default_factory=discord.Intents.none)
    sessions_left: int = 1000
    """How many sessions may still be begun today; each IDENTIFY takes one."""
    advised_shards: int = 1
    max_concurrency: int = 1
    """How many buckets sessions fall into, by their shards; each has a distance of its own between two."""
    endpoint: str | None = None
    """Where interactions are posted instead of being sent by the gateway."""


@dataclass(slots=True, eq=False)
class Role:
    """A role of a server; ``permissions`` is Discord's bit set. The @everyone role has the server's id."""

    id: int
    name: str
    permissions: int
    position: int = 0
    color: int = 0
    managed_by: int | None = None


@dataclass(slots=True, frozen=True)
class Overwrite:
    """Permissions that a channel allows or denies to a role or a member."""

    target_id: int
    is_member: bool
    allow: int
    deny: int


@dataclass(slots=True, eq=False)
class Attachment:
    """A file of a message, with its bytes."""

    id: int
    filename: str
    content_type: str
    data: bytes = field(repr=False)
    description: str | None = None

    @property
    def text(self) -> str:
        """The file's bytes read as UTF-8."""
        return self.data.decode("utf-8", "replace")


@dataclass(slots=True, eq=False)
class Message:
    """A message as the channel holds it.

    ``versions`` are the contents over time, the newest last. ``visible_to`` is the only user who sees an ephemeral
    message. ``pings`` and ``pings_everyone`` say whom it really mentions, after ``allowed_mentions``.
    """

    id: int
    channel: Channel
    author: User
    created_at: float
    content: str = ""
    embeds: list[Payload] = field(default_factory=list)
    components: list[Payload] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    type: MessageType = MessageType.DEFAULT
    tts: bool = False
    edited_at: float | None = None
    visible_to: int | None = None
    pings: list[User] = field(default_factory=list)
    pings_roles: list[int] = field(default_factory=list)
    pings_everyone: bool = False
    reference: Message | None = None
    interaction: Interaction | None = None
    nonce: str | int | None = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    edits: int = 0
    deleted: bool = False

    @property
    def ephemeral(self) -> bool:
        """Only its asker sees it."""
        return bool(self.flags & MessageFlag.EPHEMERAL)

    @property
    def thinking(self) -> bool:
        """Discord shows "… is thinking" in its place."""
        return bool(self.flags & MessageFlag.LOADING)

    @property
    def text(self) -> str:
        """What a person reads: the content, embeds, and a line for each file."""
        lines = [self.content] if self.content else []
        for embed in self.embeds:
            lines += [str(embed[key]) for key in ("title", "description") if embed.get(key)]
            lines += [f"{item['name']}: {item['value']}" for item in embed.get("fields", [])]
            lines += [str(embed["footer"]["text"])] if embed.get("footer", {}).get("text") else []
        parts = walk_components(self.components)
        lines += [str(part["content"]) for part in parts if part.get("type") == ComponentType.TEXT_DISPLAY]
        lines += [f"[file {item.filename}, {len(item.data)} bytes]" for item in self.attachments]
        return "\n".join(lines)

    @property
    def buttons(self) -> list[Payload]:
        """Every button of the message, in reading order."""
        return [part for part in walk_components(self.components) if part.get("type") == ComponentType.BUTTON]


def walk_components(components: list[Payload]) -> Iterator[Payload]:
    """Yield each component and, depth first, those inside it."""
    for part in components:
        yield part
        yield from walk_components(part.get("components", []))
        for key in ("component", "accessory"):
            if isinstance(part.get(key), dict):
                yield from walk_components([part[key]])


@dataclass(slots=True, eq=False)
class Thread:
    """What a channel is besides that is a thread, or a forum's post."""

    parent: Channel
    owner: User
    created_at: float
    archived: bool = False
    locked: bool = False


@dataclass(slots=True, eq=False)
class Channel:
    """A channel of a server, a thread among them, or a direct-message channel with ``recipient``.

    ``slow_mode`` is how many seconds a member waits between two messages.
    """

    id: int
    name: str
    type: ChannelType = ChannelType.TEXT
    guild: Guild | None = None
    position: int = 0
    topic: str | None = None
    nsfw: bool = False
    recipient: User | None = None
    group: tuple[User, ...] = ()
    """Whose group message it is; the bot is in none."""
    thread: Thread | None = None
    slow_mode: int = 0
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    history: dict[int, Message] = field(default_factory=dict, repr=False)

    @property
    def messages(self) -> list[Message]:
        """The messages that everyone in the channel sees, oldest first."""
        return [message for message in self.history.values() if not message.ephemeral]

    def visible_to(self, person: HasId) -> list[Message]:
        """Return what a person sees, ephemeral answers to them included."""
        return [m for m in self.history.values() if m.visible_to in (None, person.id)]


@dataclass(slots=True, eq=False)
class Member:
    """A user in a server."""

    user: User
    guild: Guild
    joined_at: float
    role_ids: list[int] = field(default_factory=list)
    nick: str | None = None

    @property
    def id(self) -> int:
        """The user's id."""
        return self.user.id


@dataclass(slots=True, eq=False)
class Command:
    """A registered application command: ``definition`` is what the bot sent, with Discord's ids."""

    id: int
    guild_id: int | None
    definition: Payload
    version: int = 0
    """Another one after each change of the definition."""

    @property
    def name(self) -> str:
        """The command's name, without the slash."""
        return str(self.definition["name"])

    @property
    def type(self) -> CommandType:
        """Chat input, user menu or message menu."""
        return CommandType(self.definition.get("type", 1))


@dataclass(slots=True, eq=False)
class Interaction:
    """Something a person did that waits for the bot, and what became of it.

    ``message`` is the one whose component was used, ``trigger`` the interaction that opened a form.
    ``original`` is the message behind ``@original``: the first answer, or the component's own message after an
    update.
    """

    id: int
    token: str
    type: InteractionType
    user: User
    channel: Channel
    created_at: float
    data: Payload
    command: Command | None = None
    message: Message | None = None
    trigger: Interaction | None = None
    response_type: ResponseType | None = None
    acknowledged_at: float | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[Payload] | None = None
    modal: Payload | None = None
    owners: dict[str, str] = field(default_factory=dict)
    """The installations it goes by."""

    @property
    def guild(self) -> Guild | None:
        """The server it happened in, None in a direct message."""
        return self.channel.guild
