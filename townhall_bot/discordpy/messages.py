"""Messages on their way from the gateway: those said to the bot pass, all others are dropped before they are read.

Without the privileged intent Discord gives the content of messages that mention the application and of direct messages
alone; of all others it tells that they were written. Nothing is made of those, nor kept.
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import discord

REMEMBERED = 1000
KINDS = (discord.MessageType.default.value, discord.MessageType.reply.value)
"""What people write; all else is Discord's own account of what happened."""


def let_in_addressed(client: discord.Client) -> None:
    """Let ``on_message`` and ``on_raw_message_edit`` of a client hear what people say to it, each message once."""
    parsers: dict[str, Callable[[Any], None]] = client._connection.parsers
    known: deque[str] = deque(maxlen=REMEMBERED)
    create, update = parsers["MESSAGE_CREATE"], parsers["MESSAGE_UPDATE"]

    def created(data: Any) -> None:
        if _is_addressed(data, client) and data["id"] not in known:  # after a broken connection it may come again
            known.append(data["id"])
            create(data)

    def updated(data: Any) -> None:
        if _is_addressed(data, client):
            update(data)

    parsers["MESSAGE_CREATE"], parsers["MESSAGE_UPDATE"] = created, updated


def _is_addressed(data: Mapping[str, Any], client: discord.Client) -> bool:
    author = data.get("author") or {"bot": True}
    if author.get("bot") or data.get("webhook_id") or data.get("type", 0) not in KINDS:
        return False  # what bots say to each other never ends
    if client.user is None:
        return False
    me = str(client.user.id)
    named = any(each["id"] == me for each in data.get("mentions", ()))
    return named or "guild_id" not in data or _answers_a_command(data.get("referenced_message"), me)


def _answers_a_command(message: Mapping[str, Any] | None, me: str) -> bool:
    """Tell whether a message is the bot's answer to a command: replies to it come without a mention, and without words.

    So it is in Discord since 2022 (discord-api-docs issue 5395). People should know why nothing follows.
    """
    return message is not None and message["author"]["id"] == me and "interaction_metadata" in message


def words_of(message: discord.Message, bot_id: int) -> str:
    """Return what a message says to the bot: without the mention of it, and with names in place of others' ids."""
    bare = copy.copy(message)
    bare.content = re.sub(rf"<@!?{bot_id}>", "", message.content)
    return bare.clean_content.strip()
