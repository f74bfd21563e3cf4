"""The numbers by which Discord's API tells kinds of things apart, with names."""

from __future__ import annotations

import enum


class MessageFlag(enum.IntFlag):
    """The message flags that change what the loopback does."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    COMPONENTS_V2 = 1 << 15


class InteractionType(enum.IntEnum):
    """What a person did."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class ResponseType(enum.IntEnum):
    """The first answer to an interaction."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    AUTOCOMPLETE = 8
    MODAL = 9


class ChannelType(enum.IntEnum):
    """The kinds of channel the loopback has."""

    TEXT = 0
    DM = 1
    VOICE = 2
    GROUP = 3
    NEWS = 5
    NEWS_THREAD = 10
    THREAD = 11
    FORUM = 15


class Install(enum.IntEnum):
    """Who brought the bot along."""

    GUILD = 0
    USER = 1


class Context(enum.IntEnum):
    """The kinds of place in which a command is used."""

    GUILD = 0
    BOT_DM = 1
    PRIVATE = 2


class MessageType(enum.IntEnum):
    """What a message is to who reads it. A reply names the one before it, the last two who used which command."""

    DEFAULT = 0
    REPLY = 19
    CHAT_COMMAND = 20
    MENU_COMMAND = 23


class CommandType(enum.IntEnum):
    """The kinds of application command."""

    CHAT = 1
    USER = 2
    MESSAGE = 3


class OptionType(enum.IntEnum):
    """The kinds of option that a command takes."""

    SUB_COMMAND = 1
    SUB_COMMAND_GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


class ComponentType(enum.IntEnum):
    """The kinds of component in messages and forms."""

    ACTION_ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT_DISPLAY = 10
    MEDIA_GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18


SUB_COMMANDS = (OptionType.SUB_COMMAND, OptionType.SUB_COMMAND_GROUP)
SELECTS = (
    ComponentType.STRING_SELECT,
    ComponentType.USER_SELECT,
    ComponentType.ROLE_SELECT,
    ComponentType.MENTIONABLE_SELECT,
    ComponentType.CHANNEL_SELECT,
)


class Opcode(enum.IntEnum):
    """What a payload of the gateway is, in either direction."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    GUILD_SUBSCRIPTIONS = 14
    REQUEST_SOUNDBOARD_SOUNDS = 31
