"""Stories: a thread in which the bot and people write one text, a step a message."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import discord

from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.look import Buttons, Look
from plugins.gpt2.chat.message_format import verbatim
from plugins.gpt2.chat.recent_ends import RecentEnds
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.conversation import story_text
from plugins.gpt2.conversation.story_text import MARK, Story
from plugins.gpt2.messages import TEXTS, Message, message
from plugins.gpt2.protocol import MAX_PROMPT_CHARS
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.plugins.hearing import Heard
from townhall_bot.replies import Refusal
from townhall_bot.replies.asking import AnswerElsewhere, AskingMessage
from townhall_bot.replies.sanitize import sanitize

MOST = 300
"""Tokens of a step: what fits one message."""
Interaction = discord.Interaction[Any]
Opening = Callable[[], Awaitable[Any]]


class Stories:
    """Writes steps and takes them back; in each thread one thing at a time."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.buttons: Callable[[Interaction, bool, int], discord.ui.View | None] = lambda *_: None
        """Makes what is below the newest step: for a person's words, whether it is the first, and the count."""
        self.growing: Callable[[Interaction, int, int], discord.ui.View | None] = lambda *_: None
        """Makes what is below a step while it is written: with the request's id and the count."""
        self._busy: set[int] = set()
        self._ends = RecentEnds()

    async def begin(self, interaction: Interaction, prompt: str, count: int, opening: Opening) -> None:
        """Write the first step, in the thread that ``opening`` makes. Raises Refusal."""
        ask = AnswerElsewhere(interaction, interaction.channel, opening)
        try:
            await self._write(ask, prompt, prompt, count, begins=True)
        except BaseException as error:
            await self._take_back(ask, error)
            raise

    async def go_on(self, interaction: Interaction, words: str, count: int) -> None:
        """Write the next step, behind a member's ``words`` where there are any. ``interaction`` has been deferred."""
        channel = self.thread(interaction)
        self.check_may_write(interaction)
        with self._alone(interaction, channel.id):
            story = await self.read(interaction)
            whose = message("story.by", name=verbatim(sanitize(interaction.user.display_name))) if words else None
            await self._step(AnswerElsewhere(interaction, channel), story, words, count, whose)

    def check_meant(self, interaction: Interaction) -> None:
        """Raise Refusal where a press came so soon after a step's end that it was meant for *Stop*, in that place."""
        if self._ends.is_fresh(interaction.channel_id or 0):
            raise Refusal(TEXTS.for_user(interaction)("story.too_soon"))

    async def hear(self, heard: Heard) -> bool:
        """Take what is said to the bot in a story's thread as a line of it; False: this is no story."""
        ask = heard.ask
        if not isinstance(ask.channel, discord.Thread) or ask.client.user is None:
            return False
        story = await story_text.read(ask.channel, ask.client.user.id, before=ask.id)
        if not story.steps:
            return False
        with self._alone(ask.as_interaction, ask.channel.id):
            await self._step(ask, story, heard.words, await self._count(ask.as_interaction))
        return True

    async def back(self, interaction: Interaction, count: int) -> None:
        """Take the newest step back. ``interaction`` has been deferred."""
        channel = self.thread(interaction)
        await self._check_place(interaction)
        with self._alone(interaction, channel.id):
            story = await self.read(interaction)
            if len(story.steps) < 2:
                raise Refusal(TEXTS.for_user(interaction)("story.first"))
            await story.steps[-1].delete()
            await self._put_below(interaction, story.steps[-2], count)

    async def mend(self, interaction: Interaction) -> None:
        """Put the buttons below the newest step, where another one was taken away."""
        with contextlib.suppress(*FAILURES, Refusal):
            story = await self.read(interaction)
            await self._put_below(interaction, story.steps[-1], await self._count(interaction))

    async def file(self, interaction: Interaction) -> discord.File:
        """Return the whole story as a file."""
        story = await self.read(interaction, all_of_it=True)
        name = f"{getattr(interaction.channel, 'name', 'story')[:60]}.txt"
        return discord.File(io.BytesIO(story.text.encode()), name)

    async def read(self, interaction: Interaction, *, all_of_it: bool = False) -> Story:
        """Return the story of the thread. Raises Refusal where there is none or it cannot be read."""
        channel = self.thread(interaction)
        assert interaction.client.user is not None  # whoever answers has logged in
        try:
            story = await story_text.read(channel, interaction.client.user.id, all_of_it=all_of_it)
        except discord.Forbidden as error:
            raise Refusal(TEXTS.for_user(interaction)("refused.not_read")) from error
        if not story.steps:
            raise Refusal(TEXTS.for_user(interaction)("story.none"))
        return story

    def thread(self, interaction: Interaction) -> discord.Thread:
        """Return the thread that this is said in. Raises Refusal."""
        if not isinstance(interaction.channel, discord.Thread):
            raise Refusal(TEXTS.for_user(interaction)("story.none"))
        return interaction.channel

    def check_may_write(self, interaction: Interaction) -> None:
        """Raise Refusal where the bot may not write a story, saying what it lacks."""
        words, held = TEXTS.for_user(interaction), interaction.app_permissions
        lacking = {"send": held.send_messages_in_threads, "read": held.read_message_history}
        for name, has in lacking.items():
            if not has:
                raise Refusal(words("story.bot_lacks", permission=words(f"story.{name}")))
        if getattr(interaction.channel, "locked", False) and not held.manage_threads:
            raise Refusal(words("story.locked"))

    async def _check_place(self, interaction: Interaction) -> None:
        (await self.responder.rules.of(interaction.guild_id)).check_place(interaction)

    async def _count(self, interaction: Interaction) -> int:
        rules = await self.responder.rules.of(interaction.guild_id, interaction.channel)
        return min(rules.default_count, MOST)

    async def _step(
        self, ask: AskingMessage, story: Story, words: str, count: int, whose: Message | None = None
    ) -> None:
        newest = story.steps[-1]
        so_far = story.text
        line = f"\n{words}" if words else ""
        with contextlib.suppress(*FAILURES):
            await newest.edit(view=None)
        try:
            await self._write(ask, so_far + line, words, count, whose=whose)
        except BaseException as error:
            if await self._take_back(ask, error):
                await asyncio.shield(self._put_below(ask.as_interaction, newest, count))
            raise

    async def _take_back(self, ask: AskingMessage, error: BaseException) -> bool:
        """Leave nothing of a step that came to nothing; False: it came to something, which is shown."""
        await ask.settle()
        if ask.answers and isinstance(error, Refusal) and error.shown:
            return False
        if isinstance(ask, AnswerElsewhere):  # what answers a message says why instead
            with contextlib.suppress(*FAILURES):
                for answer in ask.answers:
                    await answer.delete()
        return True

    async def _write(
        self,
        ask: AskingMessage,
        so_far: str,
        words: str,
        count: int,
        *,
        begins: bool = False,
        whose: Message | None = None,
    ) -> None:
        ask.page_mark = MARK
        look = Look(
            lambda text: story_text.shown(words, text, begins=begins),
            Buttons(
                lambda interaction, request, options: self.growing(interaction, request, options.count),
                lambda interaction, first, options: self.buttons(interaction, begins, options.count),
            ),
            tells_cuts=True,
        )
        prompt, options = so_far[-MAX_PROMPT_CHARS:], GenerationOptions({"count": count})
        try:
            await self.responder.answer(ask.as_interaction, prompt, options, notice=whose, look=look)
        finally:
            self._ends.note(ask.channel_id)

    async def _put_below(self, interaction: Interaction, step: discord.Message, count: int) -> None:
        first = step.content.startswith(story_text.BEGINS)
        with contextlib.suppress(*FAILURES):
            await step.edit(view=self.buttons(interaction, first, count))

    @contextlib.contextmanager
    def _alone(self, interaction: Interaction, channel_id: int) -> Iterator[None]:
        if channel_id in self._busy:
            raise Refusal(TEXTS.for_user(interaction)("story.busy"))
        self._busy.add(channel_id)
        try:
            yield
        finally:
            self._busy.discard(channel_id)
