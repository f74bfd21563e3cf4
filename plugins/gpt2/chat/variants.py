"""Several texts of one prompt, written at the same time and shown side by side, of which one is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import discord

from plugins.gpt2.chat import message_format
from plugins.gpt2.chat.message_format import CUT_OFF, verbatim
from plugins.gpt2.protocol import (
    BOUNDS,
    Event,
    Finished,
    GenerationError,
    GenerationRequest,
    Queued,
    Text,
    TextGenerator,
)
from townhall_bot.discordpy import retries
from townhall_bot.i18n import Words
from townhall_bot.replies import LiveReply
from townhall_bot.replies.paging import MESSAGE_LIMIT, length
from townhall_bot.replies.sanitize import sanitize

SIDE_BY_SIDE = 1024
"""The most characters of a field of Discord's; where one text has more, they stand below each other."""
TOGETHER = 5600
"""The most characters of all of them: Discord takes 6,000 in the embeds of a message."""
MARK = "\u2060"
"""A word joiner: it is not seen, and keeps Discord from taking away the white space behind it."""


@dataclass(slots=True)
class Variant:
    """One of the texts, as far as it came."""

    request: GenerationRequest
    text: str = ""
    finished: Finished | None = None
    waiting: Queued | None = None
    error: GenerationError | None = None


def requests_of(request: GenerationRequest, count: int) -> list[GenerationRequest]:
    """Return the requests of so many variants; a seed that was given is that of the first, and the others follow it."""
    seed, most = request.sampling.seed, int(BOUNDS["seed"].high)
    seeds = [None if seed is None else (seed + number) % (most + 1) for number in range(count)]
    return [replace(request, sampling=replace(request.sampling, seed=each)) for each in seeds]


@contextlib.asynccontextmanager
async def admitted(
    service: TextGenerator, requests: Sequence[GenerationRequest]
) -> AsyncIterator[list[AsyncIterator[Event]]]:
    """Give all of them their places, or none; raises what ``TextGenerator.admitted`` raises."""
    async with contextlib.AsyncExitStack() as leaving:
        yield [await leaving.enter_async_context(service.admitted(request)) for request in requests]


async def write(
    reply: LiveReply, words: Words, variants: Sequence[Variant], streams: Sequence[AsyncIterator[Event]]
) -> None:
    """Hear all streams to their ends, showing how far they are. What fails is noted with its variant."""
    prompt = variants[0].request.prompt

    def show() -> None:
        waiting = next((each.waiting for each in variants if each.waiting is not None), None)
        if waiting is not None and not any(each.text for each in variants):
            line = message_format.waiting(words, waiting.ahead, waiting.wait_s, waiting.loading)
            reply.show(line, placeholder=True)
            return
        room = (MESSAGE_LIMIT - 700) // len(variants)
        ends = [f"**{number}** {verbatim(each.text.strip()[-room // 2 :])}" for number, each in enumerate(variants, 1)]
        reply.show("\n".join([message_format.render(prompt, "").rstrip(), *ends]), note=words("answer.writing"))

    async def hear(variant: Variant, events: AsyncIterator[Event]) -> None:
        try:
            async for event in events:
                variant.waiting = event if isinstance(event, Queued) else None
                if isinstance(event, Text):
                    variant.text += event.piece
                elif isinstance(event, Finished):
                    variant.finished = event
                show()
        except GenerationError as error:
            variant.error, variant.waiting = error, None

    async with asyncio.TaskGroup() as hearing:
        for variant, events in zip(variants, streams, strict=True):
            hearing.create_task(hear(variant, events))


async def show_side_by_side(
    interaction: discord.Interaction[Any],
    prompt: str,
    variants: Sequence[Variant],
    note: str,
    view: discord.ui.View | None,
) -> None:
    """Show the finished texts to choose from. Raises what discord.py does."""
    content = message_format.render(prompt, "").rstrip()
    small = "".join(f"\n{message_format.SMALL_PRINT}{line}" for line in note.splitlines())
    shown = [_shown(each) for each in variants]
    if all(length(each) <= SIDE_BY_SIDE for each in shown):
        embed = discord.Embed()
        for number, text in enumerate(shown, 1):
            embed.add_field(name=str(number), value=text)
        embeds = [embed]
    else:
        room = TOGETHER // len(shown)
        texts = [text if length(text) <= room else text[: room // 2] + CUT_OFF for text in shown]
        embeds = [discord.Embed(title=str(number), description=text) for number, text in enumerate(texts, 1)]
    with retries.retrying(retries.LASTING):
        await interaction.edit_original_response(content=(content + small).strip(), embeds=embeds, view=view)


def text_of(message: discord.Message, number: int) -> str | None:
    """Return a text that a message offers, as it is shown; None where there is none of that number."""
    fields = [field for embed in message.embeds for field in embed.fields]
    texts = [field.value or "" for field in fields] or [embed.description or "" for embed in message.embeds]
    return texts[number - 1].removeprefix(MARK) if 1 <= number <= len(texts) else None


def picked(message: discord.Message, text: str, note: str) -> str:
    """Return what the message says once ``text`` was picked."""
    lines = [line for line in message.content.split("\n") if not line.startswith(message_format.SMALL_PRINT)]
    content, small = "\n".join(lines) + text, f"\n{message_format.SMALL_PRINT}{note}"
    room = MESSAGE_LIMIT - length(small)
    return (content if length(content) <= room else content[: room - 60] + CUT_OFF) + small


def _shown(variant: Variant) -> str:
    cut = CUT_OFF if variant.finished is not None and variant.finished.cut else ""
    return MARK + sanitize(verbatim(variant.text.rstrip())) + cut
