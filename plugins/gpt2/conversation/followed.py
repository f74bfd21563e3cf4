"""Which answers belong to which messages, so that an edit or a deletion reaches the answer. In memory only."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import discord

from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.replies.asking import AskingMessage

REMEMBERED = 256


@dataclass(slots=True)
class Followed:
    """A message to the bot, and what answers it. ``words`` is a hash of what it said: the words are not kept."""

    channel_id: int
    words: int
    task: asyncio.Task[object]
    answers: list[discord.PartialMessage]
    ask: AskingMessage | None
    """While it is being answered."""
    in_story: discord.Interaction[Any] | None = None
    """What stands for it, where it was a line of a story."""

    async def stop(self) -> None:
        """End the answering, and know afterwards all of what it wrote."""
        if self.ask is not None and self.task is not asyncio.current_task():
            self.task.cancel()
            await asyncio.wait({self.task})

    async def delete(self, first: int = 0) -> None:
        """Delete the messages of the answer, from number ``first`` on."""
        for answer in self.answers[first:]:
            with contextlib.suppress(*FAILURES):  # deleted by hand, say
                await answer.delete()
        del self.answers[first:]


class FollowedMessages:
    """The newest messages to the bot."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[int, Followed] = OrderedDict()

    @contextlib.contextmanager
    def answering(self, ask: AskingMessage, words: str) -> Iterator[Followed]:
        """Follow a message while the block answers it, and afterwards."""
        partial = ask.channel.get_partial_message
        task = asyncio.current_task()
        assert task is not None  # events are handled in tasks
        kept = self._by_id[ask.id] = Followed(ask.channel_id, hash(words), task, [], ask)
        if len(self._by_id) > REMEMBERED:
            self._by_id.popitem(last=False)
        try:
            yield kept
        finally:
            kept.ask = None
            kept.answers = [partial(each.id) for each in ask.answers]

    def get(self, message_id: int) -> Followed | None:
        """Return a message that is followed."""
        return self._by_id.get(message_id)

    def pop(self, message_id: int) -> Followed | None:
        """Follow a message no longer."""
        return self._by_id.pop(message_id, None)

    def is_newest(self, message_id: int) -> bool:
        """Tell whether nothing else was said to the bot in that channel since."""
        channel = self._by_id[message_id].channel_id
        return next(key for key, each in reversed(self._by_id.items()) if each.channel_id == channel) == message_id
