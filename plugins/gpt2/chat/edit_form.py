"""The form in which a prompt is changed before it is asked again."""

from __future__ import annotations

from typing import Any

import discord

from plugins.gpt2 import spoken
from plugins.gpt2.chat.generation_options import Wish
from plugins.gpt2.chat.message_format import Shown
from plugins.gpt2.chat.responder import Answers

MAX_CHARS = 4000
"""The most that a field of Discord's forms holds."""
LIFETIME_S = 1800.0


class EditForm(discord.ui.Modal):
    """Shows a prompt and its count to be changed; sending it asks for a text."""

    def __init__(
        self, interaction: discord.Interaction[Any], answers: Answers, shown: Shown, wish: Wish, count: str = ""
    ) -> None:
        words = spoken.to_asker(interaction)
        super().__init__(title=words("form.title"), timeout=LIFETIME_S)
        self._answers = answers
        self._wish = wish
        part = "prompt_end" if shown.cut else "prompt_part" if len(shown.prompt) > MAX_CHARS else "prompt"
        self._prompt: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=words(f"form.{part}", chars=MAX_CHARS),
            custom_id="prompt",
            style=discord.TextStyle.paragraph,
            default=shown.prompt[-MAX_CHARS:],
            max_length=MAX_CHARS,
        )
        self._count: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=words("form.count"), custom_id="count", default=count or str(wish.count), max_length=4
        )
        self.add_item(self._prompt)
        self.add_item(self._count)

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Ask with what the form says; where that cannot be, a button brings it back."""
        given, most = self._count.value.strip(), self._answers.service.settings.max_count
        if not given.isdecimal() or not 1 <= int(given) <= most:
            words = spoken.to_asker(interaction)
            fault = words("refused.form", field=words("form.count"), low=1, high=most, given=given)
            back = _Back(interaction, self._answers, Shown(self._prompt.value, ""), self._wish, given)
            await interaction.response.send_message(fault, view=back, ephemeral=True)
            return
        wish = Wish(int(given), self._wish.temperature, self._wish.top_k, self._wish.top_p, self._wish.timing)
        await self._answers.answer(interaction, self._prompt.value, wish)


class _Back(discord.ui.View):
    """A button that opens the form as it was sent, so that nothing that was typed is lost."""

    def __init__(
        self, interaction: discord.Interaction[Any], answers: Answers, typed: Shown, wish: Wish, count: str
    ) -> None:
        super().__init__(timeout=LIFETIME_S)
        button: discord.ui.Button[Any] = discord.ui.Button(label=spoken.to_asker(interaction)("form.back"))

        async def open_again(press: discord.Interaction[Any]) -> None:
            await press.response.send_modal(EditForm(press, answers, typed, wish, count))

        button.callback = open_again  # type: ignore[assignment,method-assign]  # as decorators do
        self.add_item(button)
