"""``/gpt2`` and the message menu "Continue with GPT-2": what a member types or picks."""

# No "from __future__ import annotations": Discord's ranges come from the host's settings and are annotations here.

from typing import Any

import discord
from discord import app_commands

from plugins.gpt2.chat.buttons import attached_text, cut_before
from plugins.gpt2.chat.message_format import GAP, Shown
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import BOUNDS
from plugins.gpt2.service.admission import MAX_PROMPT_CHARS
from townhall_bot.replies import Refusal

OPTIONS = ("prompt", "count", "temperature", "timing", "top_k", "top_p", "seed")


def generate_command(responder: Responder) -> app_commands.Command[Any, ..., Any]:
    """Return ``/gpt2`` with the host's bounds, which Discord then enforces."""
    settings = responder.service.settings

    async def gpt2(
        interaction: discord.Interaction,
        prompt: str,
        count: int | None = None,
        temperature: float | None = None,
        timing: bool = False,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> None:
        await responder.answer(
            interaction,
            prompt,
            count=count,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            timing=timing,
        )

    whole, real = app_commands.Range[int, 1, settings.max_count], app_commands.Range
    gpt2.__annotations__ |= {
        "prompt": app_commands.Range[str, 1, MAX_PROMPT_CHARS],
        "count": whole | None,
        "temperature": real[float, float(BOUNDS["temperature"].low), float(BOUNDS["temperature"].high)] | None,
        "top_k": app_commands.Range[int, int(BOUNDS["top_k"].low), int(BOUNDS["top_k"].high)] | None,
        "top_p": real[float, float(BOUNDS["top_p"].low), float(BOUNDS["top_p"].high)] | None,
        "seed": app_commands.Range[int, int(BOUNDS["seed"].low), int(BOUNDS["seed"].high)] | None,
    }
    described = app_commands.describe(**{name: TEXTS.english(f"gpt2.{name}") for name in OPTIONS})
    description = TEXTS.english("gpt2.description")
    return app_commands.Command(name="gpt2", description=description, callback=described(gpt2))


def continue_menu(responder: Responder) -> app_commands.ContextMenu:
    """Return the entry in the menu of every message."""

    async def continue_message(interaction: discord.Interaction, message: discord.Message) -> None:
        if message.author.id != interaction.application_id:
            whole = Shown("", message.clean_content.replace(GAP, ""))  # names instead of the ids of mentions
        elif (file := await attached_text(message)) is not None:
            whole = Shown("", file)
        else:
            whole = responder.prompt_cache.read(message)
        if not whole.whole.strip():
            raise Refusal(TEXTS.for_user(interaction)("refused.no_text"))
        await responder.answer(interaction, whole.whole[-MAX_PROMPT_CHARS:], notice=cut_before(whole))

    return app_commands.ContextMenu(name=TEXTS.english("gpt2.menu"), callback=continue_message)
