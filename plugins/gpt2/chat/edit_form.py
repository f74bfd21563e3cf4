"""The form in which a prompt is changed before it is asked again."""

from __future__ import annotations

from typing import Any

import discord

from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.message_format import Shown
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.messages import TEXTS

MAX_CHARS = 4000
"""The most that a field of Discord's forms holds."""
LIFETIME_S = 1800.0


class EditForm(discord.ui.Modal):
    """Shows a prompt and its count to be changed; sending it asks for a text."""

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        responder: Responder,
        shown: Shown,
        options: GenerationOptions,
        count: str = "",
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
        self._count: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=words("form.count"), custom_id="count", default=count or str(options.count), max_length=4
        )
        self.add_item(self._prompt)
        self.add_item(self._count)

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Ask with what the form says; where that cannot be, a button brings it back."""
        given, most = self._count.value.strip(), self._responder.settings.max_count
        if not given.isdecimal() or not 1 <= int(given) <= most:
            words = TEXTS.for_user(interaction)
            fault = words("refused.form", field=words("form.count"), low=1, high=most, given=given)
            back = _Back(interaction, self._responder, Shown(self._prompt.value, ""), self._options, given)
            await interaction.response.send_message(fault, view=back, ephemeral=True)
            return
        options = GenerationOptions(
            int(given), self._options.temperature, self._options.top_k, self._options.top_p, self._options.timing
        )
        await self._responder.answer(interaction, self._prompt.value, options)


class _Back(discord.ui.View):
    """A button that opens the form as it was sent, so that nothing that was typed is lost."""

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        responder: Responder,
        typed: Shown,
        options: GenerationOptions,
        count: str,
    ) -> None:
        super().__init__(timeout=LIFETIME_S)
        button: discord.ui.Button[Any] = discord.ui.Button(label=TEXTS.for_user(interaction)("form.back"))

        async def open_again(press: discord.Interaction[Any]) -> None:
            await press.response.send_modal(EditForm(press, responder, typed, options, count))

        button.callback = open_again  # type: ignore[assignment,method-assign]  # as decorators do
        self.add_item(button)
