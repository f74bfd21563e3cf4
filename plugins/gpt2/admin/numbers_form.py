"""The numbers among a server's settings, as a form that says what is allowed and keeps what was typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord

from plugins.gpt2.admin.config_changes import NUMBERS, ConfigChanges
from plugins.gpt2.formatting import number
from plugins.gpt2.guild_rules import GuildRules
from plugins.gpt2.messages import TEXTS
from townhall_bot.replies import Refusal

LIFETIME_S = 14 * 60.0
Interaction = discord.Interaction[Any]
Show = Callable[[Interaction, list[str]], Awaitable[None]]


class NumbersForm(discord.ui.Modal):
    """Shows the numbers that ``rules`` have, or ``typed`` ones of a form that could not be used.

    ``show`` is given the lines that say what changed, once the interaction has been deferred.
    """

    def __init__(
        self,
        interaction: Interaction,
        changes: ConfigChanges,
        rules: GuildRules,
        show: Show,
        typed: Mapping[str, str] | None = None,
    ) -> None:
        words = TEXTS.for_user(interaction)
        super().__init__(title=words("config.show.title"), timeout=LIFETIME_S)
        self._changes, self._rules, self._show = changes, rules, show
        now = (rules.default_count, rules.max_count, rules.temperature, rules.limits.member, rules.limits.guild)
        self._before = {key: words("form.value", value=number(value)) for key, value in zip(NUMBERS, now, strict=True)}
        self._fields: dict[str, discord.ui.TextInput[Any]] = {}
        for key, before in self._before.items():
            low, high = changes.bounds(key)
            name = words("config.form.label", name=words(f"config.name.{key}"), low=number(low), high=number(high))
            default = before if typed is None else typed[key]
            field: discord.ui.TextInput[Any] = discord.ui.TextInput(
                label=name[:45], custom_id=key, default=default, max_length=8
            )
            self._fields[key] = field
            self.add_item(field)

    async def on_submit(self, interaction: Interaction) -> None:
        """Change what was typed anew; where that cannot be, say so, with a button that brings the form back."""
        typed = {key: field.value.strip() for key, field in self._fields.items()}
        try:
            changed = self._read(interaction, typed)
            await self._changes.check(interaction, changed)
        except Refusal as refusal:
            back = _Back(interaction, lambda press: NumbersForm(press, self._changes, self._rules, self._show, typed))
            await interaction.response.send_message(str(refusal), view=back, ephemeral=True)
            return
        await interaction.response.defer()
        await self._show(interaction, await self._changes.make(interaction, changed))

    def _read(self, interaction: Interaction, typed: Mapping[str, str]) -> dict[str, Any]:
        words, changed = TEXTS.for_user(interaction), dict[str, Any]()
        for key, given in typed.items():
            if given == self._before[key]:
                continue
            bare = given.replace(",", ".")
            try:
                changed[key] = float(bare) if key == "temperature" else int(bare)
            except ValueError:
                name = words(f"config.name.{key}")
                raise Refusal(words("config.change.number", name=name, given=given)) from None
        return changed


class _Back(discord.ui.View):
    """A button that opens the form as it was sent, so that nothing that was typed is lost."""

    def __init__(self, interaction: Interaction, form: Callable[[Interaction], discord.ui.Modal]) -> None:
        super().__init__(timeout=LIFETIME_S)
        button: discord.ui.Button[Any] = discord.ui.Button(label=TEXTS.for_user(interaction)("form.back"))

        async def open_again(press: Interaction) -> None:
            await press.response.send_modal(form(press))

        button.callback = open_again  # type: ignore[assignment,method-assign]  # as decorators do
        self.add_item(button)
