"""The numbers among a server's settings, as a form that says what is allowed and keeps what was typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord

from plugins.gpt2.admin.config_changes import NUMBERS, ConfigChanges
from plugins.gpt2.formatting import number
from plugins.gpt2.guild_rules import GuildRules
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.typed_form import Field, Interaction, TypedForm
from townhall_bot.i18n import Words
from townhall_bot.replies import Refusal

Show = Callable[[Interaction, list[str]], Awaitable[None]]
"""Shows the lines that say what changed, once the interaction has been deferred."""


class NumbersForm(TypedForm):
    """Shows the numbers that hold; what is typed anew is changed. The state is what it showed, with commas between."""

    name = "numbers"

    def __init__(self, changes: ConfigChanges, show: Show) -> None:
        super().__init__()
        self._changes, self._show = changes, show

    async def begin(self, interaction: Interaction, rules: GuildRules) -> None:
        """Open the form with the numbers of these rules."""
        now = (rules.default_count, rules.max_count, rules.temperature, rules.limits.member, rules.limits.guild)
        await self.open(interaction, ",".join(f"{value:g}" for value in now))

    def title(self, words: Words) -> str:
        """Return what stands above the form."""
        return words("config.show.title")

    async def fields(self, interaction: Interaction, state: str) -> Sequence[Field]:
        """Return a field for each number, labelled with what is allowed."""
        words, before = TEXTS.for_user(interaction), self._before(interaction, state)
        return [self._field(words, key, before[key]) for key in NUMBERS]

    def _field(self, words: Words, key: str, before: str) -> Field:
        low, high = self._changes.bounds(key)
        name = words("config.form.label", name=words(f"config.name.{key}"), low=number(low), high=number(high))
        return discord.ui.TextInput(label=name[:45], custom_id=key, default=before, max_length=8)

    async def take(self, interaction: Interaction, state: str, typed: Mapping[str, str]) -> None:
        """Change what was typed anew, all of it or nothing."""
        self._changes.check_manages(interaction)
        changed = self._read(interaction, self._before(interaction, state), typed)
        await self._changes.check(interaction, changed)
        await interaction.response.defer()
        await self._show(interaction, await self._changes.make(interaction, changed))

    def _read(self, interaction: Interaction, before: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, Any]:
        words, changed = TEXTS.for_user(interaction), dict[str, Any]()
        for key in NUMBERS:
            given = typed.get(key, before[key]).strip()
            if given == before[key]:
                continue
            bare = given.replace(",", ".")
            try:
                changed[key] = float(bare) if key == "temperature" else int(bare)
            except ValueError:
                name = words(f"config.name.{key}")
                raise Refusal(words("config.change.number", name=name, given=given)) from None
        return changed

    @staticmethod
    def _before(interaction: Interaction, state: str) -> dict[str, str]:
        words = TEXTS.for_user(interaction)
        return {
            key: words("form.value", value=number(float(value)))
            for key, value in zip(NUMBERS, state.split(","), strict=True)
        }
