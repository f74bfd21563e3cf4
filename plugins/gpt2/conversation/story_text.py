"""A story as the messages of its thread have it: each begins with a mark that is not seen, and shows what is new.

Nothing of a story is stored: whoever goes on with it reads these messages, which the bot wrote itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import discord

from plugins.gpt2.chat import message_format
from plugins.gpt2.chat.message_format import GAP
from plugins.gpt2.protocol import MAX_PROMPT_CHARS

BEGINS = "📖 "
MARK = GAP
"""A zero-width space: it is not seen, and keeps Discord from taking away the white space behind it."""
READ = 300
"""Messages of a thread that are looked at to go on."""
READ_FOR_FILE = 3000
KINDS = (discord.MessageType.default, discord.MessageType.reply)


@dataclass(frozen=True, slots=True)
class Story:
    """What was read of a story: its newest messages, the oldest first."""

    steps: Sequence[discord.Message]

    @property
    def text(self) -> str:
        """The story, or what was read of it."""
        return "".join(_piece(step.content) for step in self.steps)


def shown(words: str, text: str, *, begins: bool = False) -> str:
    """Return the message of a step: a member's ``words`` in bold, where there are any, and the new text.

    A text that goes on behind a space is shown without that; a second mark says that there was none, or more.
    """
    body = message_format.render(words, text, whole=True)
    if not words and not begins:
        body = body[1:] if text[:1] == " " and text[1:2].strip() else MARK + body
    return (BEGINS if begins else MARK) + body + (MARK if text[-1:].isspace() else "")


def _piece(content: str) -> str:
    """Return what a step adds to the story."""
    if content.startswith(BEGINS):
        return message_format.parse(content.removeprefix(BEGINS)).whole.removesuffix(MARK)
    bare = content.removeprefix(MARK)
    step = message_format.parse(bare.removeprefix(MARK))
    before = "\n" if step.prompt else "" if bare.startswith(MARK) else " "
    return before + step.whole.removesuffix(MARK)


async def read(
    channel: discord.abc.Messageable, bot_id: int, *, before: int | None = None, all_of_it: bool = False
) -> Story:
    """Return the end of the story in a thread, as much as a prompt holds, or ``all_of_it``; no steps: there is none.

    ``before`` is a message's id: what is as new as that is left out. Raises one of ``FAILURES``.
    """
    steps: list[discord.Message] = []
    chars = 0
    newest = None if before is None else discord.Object(before)
    async for message in channel.history(limit=READ_FOR_FILE if all_of_it else READ, before=newest):
        if message.author.id != bot_id or message.type not in KINDS or message.interaction_metadata is not None:
            continue
        begun = message.content.startswith(BEGINS)
        if not begun and not message.content.startswith(MARK):
            continue
        steps.append(message)
        chars += len(message.content)
        if begun or (chars > MAX_PROMPT_CHARS and not all_of_it):
            break
    return Story(steps[::-1])
