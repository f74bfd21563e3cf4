"""``/gpt2`` and the message menu "Continue with GPT-2": what a member types or picks."""

from __future__ import annotations

import inspect
from typing import Any

import discord
from discord import app_commands

from plugins.gpt2.chat import option_table
from plugins.gpt2.chat.buttons import attached_text, cut_before
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.message_format import GAP, Shown
from plugins.gpt2.chat.option_table import Option, Value
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import MAX_PROMPT_CHARS
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.plugins.installs import goes_along
from townhall_bot.replies import Refusal


def generate_command(responder: Responder) -> app_commands.Command[Any, ..., Any]:
    """Return ``/gpt2`` with the options of the table in the host's bounds, which Discord then enforces."""

    async def gpt2(interaction: discord.Interaction, prompt: str, **given: Value | None) -> None:
        await responder.answer(interaction, prompt, GenerationOptions.chosen(given))

    # discord.py reads a command's options from its callback's signature, and inspect lets a function say what that is.
    gpt2.__signature__ = _signature(responder.settings)  # type: ignore[attr-defined]  # (PEP 362)
    names = ("prompt", *(option.name for option in option_table.OPTIONS))
    described = app_commands.describe(**{name: TEXTS.english(f"gpt2.{name}") for name in names})
    chosen = app_commands.choices(
        **{option.name: _choices(option) for option in option_table.OPTIONS if option.choices}
    )
    description = TEXTS.english("gpt2.description")
    command: app_commands.Command[Any, ..., Any] = app_commands.Command(
        name="gpt2", description=description, callback=chosen(described(gpt2))
    )
    goes_along(command)
    return command


def _signature(settings: GPT2Settings) -> inspect.Signature:
    """Return what the command takes: the interaction, a prompt, and every option or not."""
    kind = inspect.Parameter.KEYWORD_ONLY
    prompt = app_commands.Range[str, 1, MAX_PROMPT_CHARS]
    return inspect.Signature(
        [
            inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_ONLY, annotation=discord.Interaction),
            inspect.Parameter("prompt", kind, annotation=prompt),
            *(
                inspect.Parameter(option.name, kind, default=None, annotation=_annotation(option, settings))
                for option in option_table.OPTIONS
            ),
        ]
    )


def _choices(option: Option) -> list[app_commands.Choice[int]]:
    names = [app_commands.locale_str(TEXTS.english(f"gpt2.choice.{name}")) for name in option.choices]
    return [app_commands.Choice(name=name, value=value) for value, name in enumerate(names)]


def _annotation(option: Option, settings: GPT2Settings) -> Any:
    if option.choices:
        return int
    if option.kind is bool:
        return bool
    ranges: Any = app_commands.Range  # a class to discord.py, a form of Annotated to type checkers
    return ranges[option.kind, *map(option.kind, option.within(settings))]


def continue_menu(responder: Responder) -> app_commands.ContextMenu:
    """Return the entry in the menu of every message."""

    async def continue_message(interaction: discord.Interaction, message: discord.Message) -> None:
        if message.author.id != interaction.application_id:
            whole = Shown("", message.clean_content.replace(GAP, ""))  # names instead of the ids of mentions
        elif (file := await attached_text(message)) is not None:
            whole = Shown("", file)
        else:
            whole = await responder.prompt_cache.read(message)
        if not whole.whole.strip():
            raise Refusal(TEXTS.for_user(interaction)("refused.no_text"))
        await responder.answer(interaction, whole.whole[-MAX_PROMPT_CHARS:], notice=cut_before(whole), continued=True)

    menu = app_commands.ContextMenu(name=TEXTS.english("gpt2.menu"), callback=continue_message)
    goes_along(menu)
    return menu
