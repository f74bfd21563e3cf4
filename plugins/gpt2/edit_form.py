"""The form in which a prompt is changed before it is asked again."""

from __future__ import annotations

from typing import Any

import discord

from plugins.gpt2 import spoken
from plugins.gpt2.answers import Answers
from plugins.gpt2.wish import Wish
from townhall_bot.replies import Refusal, explain

MAX_CHARS = 4000
"""The most that a field of Discord's forms holds."""


class EditForm(discord.ui.Modal):
    """Shows a prompt and its count to be changed; sending it asks for a text."""

    def __init__(self, interaction: discord.Interaction[Any], answers: Answers, prompt: str, wish: Wish) -> None:
        words = spoken.to_asker(interaction)
        super().__init__(title=words("form.title"), timeout=1800)
        self._answers = answers
        self._wish = wish
        self._prompt: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=words("form.prompt"),
            custom_id="prompt",
            style=discord.TextStyle.paragraph,
            default=prompt[-MAX_CHARS:],
            max_length=MAX_CHARS,
        )
        self._count: discord.ui.TextInput[Any] = discord.ui.TextInput(
            label=words("form.count"), custom_id="count", default=str(wish.count), max_length=4
        )
        self.add_item(self._prompt)
        self.add_item(self._count)

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Ask with what the form says."""
        given, most = self._count.value.strip(), self._answers.service.settings.max_count
        if not given.isdecimal() or not 1 <= int(given) <= most:
            words = spoken.to_asker(interaction)
            raise Refusal(words("refused.form", field=words("form.count"), low=1, high=most, given=given))
        wish = Wish(int(given), self._wish.temperature, self._wish.top_k, self._wish.top_p, self._wish.timing)
        await self._answers.answer(interaction, self._prompt.value, wish)

    async def on_error(  # type: ignore[override]  # as in discord.py's own Modal: a form has no item that failed
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """Tell what went wrong."""
        await explain(interaction, error)
