"""A server's own presets, as a form: a new name makes one, a known one changes it, a bare one removes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord

from plugins.gpt2 import presets
from plugins.gpt2.admin.config_changes import ConfigChanges
from plugins.gpt2.formatting import number
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.presets import Preset
from plugins.gpt2.protocol import ENDINGS
from townhall_bot.i18n import Words
from townhall_bot.replies import Refusal

LIFETIME_S = 14 * 60.0
FIELDS = {"name": presets.MAX_NAME, "opening": presets.MAX_OPENING, "sampling": 200, "ending": 10, "stop": 400}
"""The fields, and how many characters each holds."""
Interaction = discord.Interaction[Any]
Show = Callable[[Interaction, list[str]], Awaitable[None]]


class PresetForm(discord.ui.Modal):
    """Makes one preset. ``show`` is given the lines that say what changed, once the interaction has been deferred."""

    def __init__(self, interaction: Interaction, changes: ConfigChanges, show: Show, typed: dict[str, str]) -> None:
        words = TEXTS.for_user(interaction)
        super().__init__(title=words("preset.title"), timeout=LIFETIME_S)
        self._changes, self._show = changes, show
        self._fields: dict[str, discord.ui.TextInput[Any]] = {}
        for key, characters in FIELDS.items():
            field: discord.ui.TextInput[Any] = discord.ui.TextInput(
                label=words(f"preset.{key}"),
                custom_id=key,
                style=discord.TextStyle.paragraph if key in ("opening", "stop") else discord.TextStyle.short,
                default=typed.get(key),
                required=key == "name",
                max_length=characters,
            )
            self._fields[key] = field
            self.add_item(field)

    async def on_submit(self, interaction: Interaction) -> None:
        """Keep the preset; where that cannot be, say so, with a button that brings the form back."""
        typed = {key: field.value for key, field in self._fields.items()}
        try:
            value = _read(interaction, typed)
        except Refusal as refusal:
            view = discord.ui.View(timeout=LIFETIME_S)
            button: discord.ui.Button[Any] = discord.ui.Button(label=TEXTS.for_user(interaction)("form.back"))

            async def again(press: Interaction) -> None:
                await press.response.send_modal(PresetForm(press, self._changes, self._show, typed))

            button.callback = again  # type: ignore[method-assign,assignment]  # as decorators do
            view.add_item(button)
            await interaction.response.send_message(str(refusal), view=view, ephemeral=True)
            return
        await interaction.response.defer()
        key = presets.KEY + typed["name"].strip().casefold()
        await self._show(interaction, await self._changes.make(interaction, {key: value}))


def typed_of(words: Words, preset: Preset) -> dict[str, str]:
    """Return what is in the form of a preset as it is kept, numbers as the language writes them."""
    sampling = [f"{field} {words('form.value', value=number(value))}" for field, value in preset.sampling.items()]
    return {
        "name": preset.name,
        "opening": preset.opening,
        "sampling": "; ".join(sampling),
        "ending": preset.ending or "",
        "stop": "\n".join(preset.stop),
    }


def _read(interaction: Interaction, typed: dict[str, str]) -> dict[str, Any] | None:
    words = TEXTS.for_user(interaction)
    ending = typed["ending"].strip().casefold()
    stop = [line for line in typed["stop"].splitlines() if line.strip()]
    sampling = presets.read_sampling(typed["sampling"])
    if sampling is None:
        raise Refusal(words("preset.bad_sampling", given=typed["sampling"]))
    if ending and ending not in ENDINGS:
        raise Refusal(words("refused.form_choice", choices=", ".join(ENDINGS), given=ending))
    if len(stop) > 4 or any(len(each) > 100 for each in stop):
        raise Refusal(words("preset.bad_stop"))
    value = {"opening": typed["opening"], "sampling": sampling, "ending": ending or None, "stop": stop}
    return value if any(value.values()) else None
