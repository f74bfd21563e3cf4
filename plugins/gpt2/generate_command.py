"""``/gpt2``: what a member types, and the text that grows below it."""

# No "from __future__ import annotations": Discord's ranges come from the host's settings and are annotations here.

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands

from plugins.gpt2 import display
from plugins.gpt2.admission import MAX_PROMPT_CHARS
from plugins.gpt2.engine.sampling import BOUNDS
from plugins.gpt2.protocol import (
    DeadlineExceeded,
    EngineFailed,
    Finished,
    GenerationError,
    GenerationRequest,
    Queued,
    Started,
    Text,
)
from plugins.gpt2.service import GPT2Service
from townhall_bot.replies import LiveReply, Refusal

ModelOf = Callable[[int | None], Awaitable[str]]
"""Returns the model of a guild (None in direct messages)."""


class GenerateCommand:
    """Builds the command and carries it out. Remembers what is under way, so that stopping can wait for last words."""

    def __init__(self, service: GPT2Service, model_of: ModelOf) -> None:
        self._service = service
        self._model_of = model_of
        self._under_way: set[asyncio.Task[Any]] = set()

    def build(self) -> app_commands.Command[Any, ..., Any]:
        """Return ``/gpt2`` with the host's bounds, which Discord then enforces."""
        settings = self._service.settings

        async def gpt2(
            interaction: discord.Interaction,
            prompt: str,
            count: int = settings.default_count,
            temperature: float = settings.temperature,
            timing: bool = False,
            top_k: int = settings.sampling.top_k,
            top_p: float = settings.top_p,
            seed: int | None = None,
        ) -> None:
            sampling = replace(settings.sampling, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
            await interaction.response.defer(thinking=True)
            request = GenerationRequest(
                prompt=prompt if prompt.strip() else "",
                count=count,
                model=await self._model_of(interaction.guild_id),
                sampling=sampling,
                user_id=interaction.user.id,
                guild_id=interaction.guild_id,
            )
            with self._counted():
                await self._answer(interaction, request, timing=timing)

        whole, real = app_commands.Range[int, 1, settings.max_count], app_commands.Range
        gpt2.__annotations__ |= {
            "prompt": app_commands.Range[str, 1, MAX_PROMPT_CHARS],
            "count": whole,
            "temperature": real[float, BOUNDS["temperature"].low, BOUNDS["temperature"].high],
            "top_k": app_commands.Range[int, int(BOUNDS["top_k"].low), int(BOUNDS["top_k"].high)],
            "top_p": real[float, BOUNDS["top_p"].low, BOUNDS["top_p"].high],
            "seed": app_commands.Range[int, int(BOUNDS["seed"].low), int(BOUNDS["seed"].high)] | None,
        }
        described = app_commands.describe(
            prompt="The beginning of a text. The model writes on from there; it does not answer questions.",
            count=f"How many tokens to write at most, about ¾ of a word each. Default: {settings.default_count}",
            temperature=f"0 always takes the likeliest word, higher is bolder. Default: {settings.temperature:g}",
            timing="Show how long each part took, and the seed",
            top_k="Choose among this many likeliest tokens only. 0: no such limit",
            top_p=f"Choose among the likeliest tokens that make up this share. Default: {settings.top_p:g}",
            seed="The same number, prompt and settings give the same text",
        )
        return app_commands.Command(name="gpt2", description="Let GPT-2 continue a text", callback=described(gpt2))

    async def finish(self, seconds: float) -> None:
        """Wait until everyone has got the last word, at most ``seconds``."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    @contextlib.contextmanager
    def _counted(self):  # type: ignore[no-untyped-def]  # a generator of nothing
        task = asyncio.current_task()
        assert task is not None  # a command runs in a task
        self._under_way.add(task)
        try:
            yield
        finally:
            self._under_way.discard(task)

    async def _answer(self, interaction: discord.Interaction, request: GenerationRequest, *, timing: bool) -> None:
        """Show the text as it grows, and always how it ended."""
        notice: str | None = None
        text = ""
        async with LiveReply(interaction) as reply, contextlib.aclosing(self._service.generate(request)) as events:
            try:
                async for event in events:
                    match event:
                        case Queued(ahead):
                            reply.show(display.waiting(ahead, self._service.progress(request.model)))
                        case Started(notice):
                            reply.show(display.continued(request.prompt, text), note="Reading the prompt…")
                        case Text(piece):
                            text += piece
                            reply.show(display.continued(request.prompt, text), note="Writing…")
                        case Finished(reason, measured):
                            note = display.ending(reason, notice, measured if timing else None)
                            await self._end(reply, request.prompt, text, note)
            except (EngineFailed, DeadlineExceeded) as error:
                if not text:
                    raise Refusal(str(error)) from error
                await self._end(reply, request.prompt, text, str(error))
                raise Refusal(str(error), shown=True) from error
            except GenerationError as error:
                raise Refusal(str(error)) from error

    async def _end(self, reply: LiveReply, prompt: str, text: str, note: str) -> None:
        if not await reply.finish(display.continued(prompt, text), note=note, plain=prompt + text):
            raise Refusal("The text was written, but Discord did not take it.", shown=True)
