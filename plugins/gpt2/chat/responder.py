"""Carrying out one request in a chat: admitted, shown as it grows, stopped by a button, ended with buttons."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import discord

from plugins.gpt2.chat import message_format, variants
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.look import Buttons, Look
from plugins.gpt2.chat.models_used import ModelsUsed
from plugins.gpt2.chat.prompt_cache import PromptCache, Recall
from plugins.gpt2.chat.recent_ends import RecentEnds
from plugins.gpt2.chat.time_left import TimeLeft
from plugins.gpt2.chat.variants import Variant
from plugins.gpt2.guild_rules import GuildRulesStore
from plugins.gpt2.messages import TEXTS, Message, message
from plugins.gpt2.protocol import (
    GREEDY_BELOW,
    DeadlineExceeded,
    EngineFailed,
    Event,
    Finished,
    GenerationError,
    GenerationRequest,
    Queued,
    Started,
    Text,
    TextGenerator,
)
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.replies import LiveReply, Refusal
from townhall_bot.replies.alone import is_alone
from townhall_bot.replies.paging import MESSAGE_LIMIT, length
from townhall_bot.replies.sanitize import sanitize

OnFinished = Callable[[GenerationRequest, Finished], Awaitable[None]]
Keep = Callable[[GenerationRequest, str], Awaitable[None]]
"""Takes the text that a request came to, whole or not."""
ONE_MESSAGE = MESSAGE_LIMIT - 100
"""A text up to this length is one message with its small print."""
REMEMBERED = 256
"""Of how many ended requests the ids are kept, to tell a late Stop from one after a restart."""


@dataclass(slots=True)
class _End:
    """How a request ended, as far as it came: measured, where it was not broken off, and its text."""

    finished: Finished | None = None
    text: str | None = None
    preset: str | None = None


class Responder:
    """Answers requests. Knows what is under way: Stop finds it, and stopping the bot waits for its last words.

    ``settings`` are the host's.
    """

    def __init__(
        self,
        service: TextGenerator,
        settings: GPT2Settings,
        rules: GuildRulesStore,
        on_finished: OnFinished,
        keep: Keep,
        recall: Recall,
    ) -> None:
        self.service = service
        self.settings = settings
        self.rules = rules
        self.prompt_cache = PromptCache(recall)
        self.recent_ends = RecentEnds()
        self._models_used = ModelsUsed()
        self.buttons: Buttons | None = None
        """Set once they exist; without them, answers have none."""
        self._on_finished = on_finished
        self._keep = keep
        self._under_way: dict[int, asyncio.Task[Any]] = {}
        self._ended: deque[int] = deque(maxlen=REMEMBERED)
        self._lost: deque[int] = deque(maxlen=REMEMBERED)

    def knows(self, request_id: int) -> bool:
        """Tell whether this run of the bot has or had that request, and its last words arrived if it ended."""
        return request_id in self._under_way or request_id in self._ended

    async def answer(
        self,
        interaction: discord.Interaction[Any],
        prompt: str,
        chosen: GenerationOptions | None = None,
        *,
        notice: Message | None = None,
        spoken: bool = False,
        turns: tuple[str, ...] = (),
        look: Look | None = None,
        continued: bool = False,
    ) -> None:
        """Answer with a continuation of ``prompt``; ``notice`` is small print of the caller's.

        What is not ``chosen`` is the server's default, or the host's. ``spoken``, ``turns`` and ``continued`` are
        those of a :class:`GenerationRequest`; with a ``look``, the prompt is not the asker's own words. Raises
        :class:`Refusal`.
        """
        rules = await self.rules.of(interaction.guild_id, interaction.channel)
        rules.check_place(interaction)
        defaults = GenerationOptions.defaults(rules, rules.sampling(self.settings.sampling))
        options = defaults | (chosen or GenerationOptions())
        if options.count > rules.max_count:
            words = TEXTS.for_user(interaction)
            raise Refusal(words("refused.count", count=options.count, most=rules.max_count))
        request = GenerationRequest(
            prompt=prompt if prompt.strip() else "",
            count=options.count,
            model=rules.model,
            sampling=options.sampling(rules.sampling(self.settings.sampling)),
            user_id=interaction.user.id,
            guild_id=interaction.guild_id,
            request_id=interaction.id,
            limits=rules.limits,
            turns=turns,
            spoken=spoken,
            ending=options.ending,
            continued=continued or look is not None,
            opening=rules.preset.opening if rules.preset is not None else "",
        )
        several = look is None and not turns and not spoken and options.variants > 1
        if several and request.sampling.temperature < GREEDY_BELOW:
            several, notice = False, message("notice.one_of_a_kind")
        if several:
            with self._counted(interaction.id):
                preset = rules.preset.name if rules.preset is not None else None
                await self._several(interaction, request, options, defaults, notice, preset)
            return
        end = _End(preset=rules.preset.name if rules.preset is not None else None)
        with self._counted(interaction.id):
            try:
                async with self._admitted(interaction, request) as events:
                    await interaction.response.defer(thinking=True, ephemeral=is_alone(interaction))
                    if look is None:
                        self.prompt_cache.keep(interaction.id, interaction.user.id, request.prompt, turns)
                    how = look or self._look(request)
                    await self._show(interaction, request, events, options, defaults, notice, end, how)
            finally:  # once the text and the place are given: a database that has to be waited for costs nobody either
                if end.finished is not None:
                    await self._on_finished(request, end.finished)
                if end.text is not None:
                    await self._keep(request, end.text)

    async def _several(
        self,
        interaction: discord.Interaction[Any],
        request: GenerationRequest,
        options: GenerationOptions,
        defaults: GenerationOptions,
        notice: Message | None,
        preset: str | None,
    ) -> None:
        """Write several texts at the same time, and show them to choose from."""
        written = [Variant(each) for each in variants.requests_of(request, options.variants)]
        alone = is_alone(interaction)
        words = TEXTS.for_user(interaction) if alone else TEXTS.for_channel(interaction)
        growing = self.buttons.growing(interaction, interaction.id, options) if self.buttons else None

        async def stop_writing() -> None:
            await self.service.cancel(interaction.id)

        try:
            async with variants.admitted(self.service, [each.request for each in written]) as streams:
                await interaction.response.defer(thinking=True, ephemeral=alone)
                self.prompt_cache.keep(interaction.id, interaction.user.id, request.prompt, ())
                live = LiveReply(interaction, view=growing, on_gone=stop_writing, ephemeral=alone)
                async with TimeLeft(stop_writing, limited=alone), live as reply:
                    reply.show(message_format.WAITING + words("answer.begins"), placeholder=True)
                    await variants.write(reply, words, written, streams)
        except GenerationError as error:
            raise Refusal(error.message.by(TEXTS.for_user(interaction))) from error
        finally:
            for each in written:
                if each.finished is not None:
                    await self._on_finished(each.request, each.finished)
                if each.text:
                    await self._keep(each.request, each.text)
        texts = [each for each in written if message_format.is_visible(each.text)]
        if not texts:
            failed = next((each.error.message for each in written if each.error), message("notice.invisible"))
            raise Refusal(failed.by(TEXTS.for_user(interaction)))
        lines = [] if notice is None else [notice.by(words)]
        for number, each in enumerate(texts, 1):
            if options.timing and each.finished is not None:
                drawn = GenerationOptions({"seed": each.finished.timing.seed})
                used = (options | drawn).described(words, defaults)
                used += [words("timing.preset", name=preset)] if preset is not None else []
                lines.append(f"{number}: {message_format.measured(words, each.finished.timing, used)}")
        view = None
        if self.buttons is not None and self.buttons.choosing is not None:
            view = self.buttons.choosing(interaction, options, len(texts))
        self.recent_ends.note(interaction.id)
        if not live.gone:
            await variants.show_side_by_side(interaction, request.prompt, texts, "\n".join(lines), view)

    async def completed(self, interaction: discord.Interaction[Any], chosen: GenerationOptions) -> GenerationOptions:
        """Return options with the server's and the host's defaults where nothing was chosen."""
        rules = await self.rules.of(interaction.guild_id, interaction.channel)
        return GenerationOptions.defaults(rules, rules.sampling(self.settings.sampling)) | chosen

    async def finish(self, seconds: float) -> None:
        """Wait until everyone has got the last word, at most ``seconds``."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=seconds)

    @contextlib.contextmanager
    def _counted(self, request_id: int) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None  # whatever discord.py calls runs in a task
        self._under_way[request_id] = task
        try:
            yield
        finally:
            del self._under_way[request_id]
            if request_id not in self._lost:
                self._ended.append(request_id)

    @contextlib.asynccontextmanager
    async def _admitted(
        self, interaction: discord.Interaction[Any], request: GenerationRequest
    ) -> AsyncGenerator[AsyncIterator[Event]]:
        """Give the request its place before the channel sees anything: who gets none is told alone."""
        async with contextlib.AsyncExitStack() as leaving:
            try:
                events = await leaving.enter_async_context(self.service.admitted(request))
            except GenerationError as error:
                raise Refusal(error.message.by(TEXTS.for_user(interaction))) from error
            yield events

    async def _show(
        self,
        interaction: discord.Interaction[Any],
        request: GenerationRequest,
        events: AsyncIterator[Event],
        options: GenerationOptions,
        defaults: GenerationOptions,
        notice: Message | None,
        end: _End,
        look: Look,
    ) -> None:
        """Show the text as it grows, and always how it ended; note that in ``end``."""
        alone = is_alone(interaction)
        words = TEXTS.for_user(interaction) if alone else TEXTS.for_channel(interaction)
        growing = look.buttons.growing(interaction, interaction.id, options) if look.buttons else None
        notices = [] if notice is None else [notice]
        text = ""

        async def stop_writing() -> None:
            await self.service.cancel(interaction.id)

        time_left = TimeLeft(stop_writing, limited=alone)
        live = LiveReply(interaction, view=growing, on_gone=stop_writing, ephemeral=alone)
        async with time_left, live as reply:
            reply.show(message_format.WAITING + words("answer.begins"), placeholder=True)
            try:
                async for event in events:
                    match event:
                        case Queued(ahead, wait_s, loading):
                            reply.show(message_format.waiting(words, ahead, wait_s, loading), placeholder=True)
                        case Started(adjusted):
                            notices += [] if adjusted is None or not look.own_words else [adjusted]
                            reply.show(look.shown(text), note=words("answer.reading"))
                        case Text(piece):
                            text += piece
                            reply.show(look.shown(text), note=words("answer.writing"))
                        case Finished(reason, measured, cut):
                            if time_left.over:
                                reason = "length"
                                notices.append(message("notice.out_of_time"))
                            if reason != "cancelled" and not message_format.is_visible(text):
                                notices.append(message("notice.invisible"))
                            timing = measured if options.timing else None
                            drawn = GenerationOptions({} if measured.moved else {"seed": measured.seed})
                            if measured.moved and "seed" in options.values:
                                notices.append(message("notice.moved"))
                            used = (options | drawn).described(words, defaults)
                            used += [words("timing.preset", name=end.preset)] if end.preset is not None else []
                            if self._models_used.are_several(request.guild_id, request.model) and timing is None:
                                notices.append(message("notice.by", model=request.model))
                            note = message_format.ending(words, reason, notices, timing, used)
                            end.finished, end.text = event, text
                            shown = look.final(text, cut=cut)
                            await self._end(interaction, reply, request, text, note, options, look, shown)
            except GenerationError as error:
                if not (text and isinstance(error, EngineFailed | DeadlineExceeded)):
                    raise Refusal(error.message.by(TEXTS.for_user(interaction))) from error
                said, end.text = error.message.by(words), text
                await self._end(interaction, reply, request, text, said, options, look, look.shown(text))
                raise Refusal(said, shown=True) from error

    async def _end(
        self,
        interaction: discord.Interaction[Any],
        reply: LiveReply,
        request: GenerationRequest,
        text: str,
        note: str,
        options: GenerationOptions,
        look: Look,
        shown: str,
    ) -> None:
        await reply.stop()
        first = 0  # the buttons' own message
        if length(sanitize(shown)) + length(note) > ONE_MESSAGE:  # the prompt is in the first of several
            with contextlib.suppress(*FAILURES):
                first = (await interaction.original_response()).id
        view = look.buttons.finished(interaction, first, options) if look.buttons else None
        self.recent_ends.note(interaction.id)  # Discord may show the buttons before we hear that it does
        arrived = await reply.finish(shown, note=note, plain=request.prompt + text, view=view)
        self.recent_ends.note(interaction.id)
        if not arrived:
            self._lost.append(interaction.id)
            raise Refusal(TEXTS.for_user(interaction)("answer.lost"), shown=True)

    def _look(self, request: GenerationRequest) -> Look:
        def shown(text: str) -> str:
            return message_format.render(request.prompt, text, goes_on=bool(request.turns))

        return Look(shown, self.buttons, own_words=not request.turns, tells_cuts=True)
