"""Long prompts, of which messages show the end only: kept for the buttons, in memory alone, while the bot runs.

Where the host keeps texts, they are found there after a restart and by another process, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import discord

from plugins.gpt2.chat import message_format
from plugins.gpt2.chat.message_format import Shown, is_long
from plugins.gpt2.protocol import MAX_PROMPT_CHARS
from plugins.gpt2.turns import flow

KEPT = 200
"""How many are kept, the newest. Of 6,000 characters each they take a few megabytes."""


Recall = Callable[[int, int], Awaitable[str | None]]
"""Returns the prompt of a member's request from where the host keeps texts, None where it is not there."""


def origin_of(message: discord.Message) -> int | None:
    """Return the request that a message of the bot's answers: an interaction, or the message that it replies to."""
    if message.interaction_metadata is not None:
        return message.interaction_metadata.id
    return message.reference.message_id if message.reference is not None else None


class PromptCache:
    """The prompts that are too long to be shown whole, by the request that they came with."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall
        self._kept: dict[int, tuple[int, str]] = {}

    def keep(self, request_id: int, member_id: int, prompt: str, turns: Sequence[str] = ()) -> None:
        """Keep a member's prompt where its message will not show all of it; the oldest makes room.

        ``turns`` were said before it.
        """
        if is_long(prompt) or turns:
            whole = flow([*turns, prompt]) if turns else prompt
            self._kept[request_id] = member_id, whole[-MAX_PROMPT_CHARS:]
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    async def read(self, message: discord.Message) -> Shown:
        """Return what the message that begins a text shows, with the whole of its prompt where that is kept."""
        shown, origin = message_format.parse(message.content), origin_of(message)
        if not shown.cut or origin is None:
            return shown
        _, prompt = self._kept.get(origin, (0, None))
        asked = message.interaction_metadata  # of a reply, what was said before it is not kept with it
        if prompt is None and asked is not None:
            prompt = await self._recall(asked.user.id, origin)
        if prompt is None:
            return shown
        # The white space at its end is the text's beginning.
        return replace(shown, prompt=prompt.rstrip(), cut=False, goes_on=False)

    def forget(self, message: discord.Message) -> None:
        """Forget the prompt of the text that begins with ``message``."""
        self.forget_request(origin_of(message))

    def forget_request(self, request_id: int | None) -> None:
        """Forget the prompt of one request."""
        if request_id is not None:
            self._kept.pop(request_id, None)

    def forget_member(self, member_id: int) -> int:
        """Forget all prompts of a member; return how many they were."""
        theirs = [key for key, (owner, _) in self._kept.items() if owner == member_id]
        for key in theirs:
            del self._kept[key]
        return len(theirs)
