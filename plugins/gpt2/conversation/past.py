"""What was said before a reply, read from the chat itself: nothing of it is kept anywhere else."""

from __future__ import annotations

import re

import discord

from plugins.gpt2.chat import message_format
from plugins.gpt2.chat.buttons import attached_text
from plugins.gpt2.chat.prompt_cache import PromptCache, origin_of
from plugins.gpt2.protocol import MAX_PROMPT_CHARS
from townhall_bot.discordpy.messages import words_of

DEPTH = 12
"""How many of the bot's texts are read at most, the newest ones."""
PAGES_AROUND = 9
_ONE_MESSAGE = re.compile(r"gpt2:[a-z]+:\d+:0:")
"""The id of a button below a text that is one message."""
_BUTTON = "gpt2:"
"""What the ids of buttons below texts begin with; hints and refusals have none."""


async def turns_of(message: discord.Message, cache: PromptCache, bot_id: int) -> tuple[str, ...]:
    """Return what was said up to a text of the bot's, the oldest first, a member's words and the bot's in turns.

    Nothing where the message is no text. What is older than fits a prompt is left out. Raises one of ``FAILURES`` where
    Discord does not give out what is needed.
    """
    turns: list[str] = []
    for _ in range(DEPTH):
        pages = await _pages(message)
        if not any(each.startswith(_BUTTON) for page in pages for each in _ids(page)):
            break
        shown = message_format.parse(pages[0].content)
        if shown.cut and not shown.goes_on:
            shown = await cache.read(pages[0])
        rest = "".join(f" {message_format.parse(page.content).whole}" for page in pages[1:])
        prompt, text = shown.prompt, shown.text + rest
        if (file := await attached_text(pages[0])) is not None:
            prompt, text = "", file
        if not (prompt + text).strip():
            break
        turns[:0] = [prompt, text]
        earlier = await _before(pages[0], bot_id) if shown.goes_on else None
        if earlier is None or sum(map(len, turns)) >= MAX_PROMPT_CHARS:
            break
        words, message = earlier
        turns[0] = words or turns[0]
    return _fitting(turns)


async def _pages(message: discord.Message) -> list[discord.Message]:
    """Return all messages of the text that ``message`` is one of."""
    origin = origin_of(message)
    if origin is None or any(_ONE_MESSAGE.match(each) for each in _ids(message)):
        return [message]
    around = [
        each
        async for each in message.channel.history(around=message, limit=PAGES_AROUND)
        if each.author == message.author and origin_of(each) == origin
    ]
    return sorted(around, key=lambda each: each.id) or [message]


def _ids(message: discord.Message) -> list[str]:
    return [str(getattr(each, "custom_id", "")) for row in message.components for each in getattr(row, "children", ())]


async def _before(message: discord.Message, bot_id: int) -> tuple[str, discord.Message] | None:
    """Return the words that a text of the bot's answers, and the bot's text before them; None: there is none."""
    origin = origin_of(message)
    if message.interaction_metadata is not None or origin is None:
        return None
    try:
        asked = await message.channel.fetch_message(origin)
    except discord.NotFound:
        return None
    earlier = None if asked.reference is None else asked.reference.resolved
    if not isinstance(earlier, discord.Message) or earlier.author.id != bot_id:
        return None
    return words_of(asked, bot_id), earlier


def _fitting(turns: list[str]) -> tuple[str, ...]:
    """Return the newest pairs of turns that fit a prompt; of the newest one its end, where that alone is longer."""
    left, kept = MAX_PROMPT_CHARS, len(turns)
    while kept and len(turns[kept - 1]) + len(turns[kept - 2]) <= left:
        left -= len(turns[kept - 1]) + len(turns[kept - 2])
        kept -= 2
    if kept == len(turns) and turns:
        return ("", (turns[-2] + turns[-1])[-MAX_PROMPT_CHARS:])
    return tuple(turns[kept:])
