"""Long prompts, of which messages show the end only: kept for the buttons, in memory alone, while the bot runs."""

from __future__ import annotations

from dataclasses import replace

import discord

from plugins.gpt2.chat import message_format
from plugins.gpt2.chat.message_format import Shown, is_long

KEPT = 200
"""How many are kept, the newest. Of 6,000 characters each they take a few megabytes."""


class PromptCache:
    """The prompts of this run of the bot that are too long to be shown whole, by the request that they came with."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, str]] = {}

    def keep(self, request_id: int, member_id: int, prompt: str) -> None:
        """Keep a member's prompt where its message will not show all of it; the oldest makes room."""
        if is_long(prompt):
            self._kept[request_id] = member_id, prompt
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def read(self, message: discord.Message) -> Shown:
        """Return what the message that begins a text shows, with the whole of its prompt where that is kept."""
        shown, origin = message_format.parse(message.content), message.interaction_metadata
        if not shown.cut or origin is None or origin.id not in self._kept:
            return shown
        _, prompt = self._kept[origin.id]
        return replace(shown, prompt=prompt.rstrip(), cut=False)  # the white space at its end is the text's beginning

    def forget(self, message: discord.Message) -> None:
        """Forget the prompt of the text that begins with ``message``."""
        if message.interaction_metadata is not None:
            self._kept.pop(message.interaction_metadata.id, None)

    def forget_member(self, member_id: int) -> int:
        """Forget all prompts of a member; return how many they were."""
        theirs = [key for key, (owner, _) in self._kept.items() if owner == member_id]
        for key in theirs:
            del self._kept[key]
        return len(theirs)
