"""The form in which a prompt is changed before it is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord

from plugins.gpt2.chat import option_table
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.message_format import Shown
from plugins.gpt2.chat.option_table import Option, Value
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.formatting import number
from plugins.gpt2.messages import TEXTS

MAX_CHARS = 4000
"""The most that a field of Discord's forms holds."""
LIFETIME_S = 1800.0


class EditForm(discord.ui.Modal):
    """Shows a prompt and some of its options to be changed; sending it asks for a text.

    Which options those are is said in the table. The others stay as ``options`` has them. ``typed`` is what fields are
    to hold instead, from a form that could not be used.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        responder: Responder,
        shown: Shown,
        options: GenerationOptions,
        typed: Mapping[str, str] | None = None,
    ) -> None:
        words = TEXTS.for_user(interaction)
        super().__init__(title=words("form.title"), timeout=LIFETIME_S)
        self._responder = responder
        self._options = options
        part = "prompt_end" if shown.cut else "prompt_part" if len(shown.prompt) > MAX_CHARS else "prompt"
        self._prompt: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=words(f"form.{part}", chars=MAX_CHARS),
            custom_id="prompt",
            style=discord.TextStyle.paragraph,
            default=shown.prompt[-MAX_CHARS:],
            max_length=MAX_CHARS,
        )
        self.add_item(self._prompt)
        self._fields: dict[Option, discord.ui.TextInput[Any]] = {}
        for option in option_table.OPTIONS.edited:
            field: discord.ui.TextInput[Any] = discord.ui.TextInput(
                label=words(f"form.{option.name}"),
                custom_id=option.name,
                default=(typed or {}).get(option.name) or option.write(options.values.get(option.name), words),
                max_length=option.characters,
                required=option.name in options.values,
            )
            self._fields[option] = field
            self.add_item(field)

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Ask with what the form says; where that cannot be, a button brings it back."""
        typed = {option.name: field.value.strip() for option, field in self._fields.items()}
        changed: dict[str, Value] = {}
        for option, given in zip(self._fields, typed.values(), strict=True):
            if not given and not self._fields[option].required:
                continue
            low, high = option.within(self._responder.settings)
            value = option.read(given)
            if value is None or not low <= value <= high:
                words = TEXTS.for_user(interaction)
                name = words(f"form.{option.name}")
                bounds = {"low": number(low), "high": number(high)}
                if option.choices:
                    fault = words("refused.form_choice", choices=", ".join(option.choices), given=given)
                else:
                    fault = words("refused.form", field=name, given=given, **bounds)
                back = _Back(interaction, self._responder, Shown(self._prompt.value, ""), self._options, typed)
                await interaction.response.send_message(fault, view=back, ephemeral=True)
                return
            changed[option.name] = value
        await self._responder.answer(interaction, self._prompt.value, self._options | GenerationOptions(changed))


class _Back(discord.ui.View):
    """A button that opens the form as it was sent, so that nothing that was typed is lost."""

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        responder: Responder,
        typed: Shown,
        options: GenerationOptions,
        given: Mapping[str, str],
    ) -> None:
        super().__init__(timeout=LIFETIME_S)
        button: discord.ui.Button[Any] = discord.ui.Button(label=TEXTS.for_user(interaction)("form.back"))

        async def open_again(press: discord.Interaction[Any]) -> None:
            await press.response.send_modal(EditForm(press, responder, typed, options, given))

        button.callback = open_again  # type: ignore[assignment,method-assign]  # as decorators do
        self.add_item(button)
