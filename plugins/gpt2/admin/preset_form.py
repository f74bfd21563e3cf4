"""A server's own presets, as a form: a new name makes one, a known one changes it, a bare one removes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import discord

from plugins.gpt2 import presets
from plugins.gpt2.admin.config_changes import ConfigChanges
from plugins.gpt2.admin.numbers_form import Show
from plugins.gpt2.formatting import number
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.presets import Preset
from plugins.gpt2.protocol import ENDINGS
from plugins.gpt2.typed_form import Field, Interaction, TypedForm
from townhall_bot.i18n import Words
from townhall_bot.replies import Refusal

FIELDS = {"name": presets.MAX_NAME, "opening": presets.MAX_OPENING, "sampling": 200, "ending": 10, "stop": 400}
"""The fields, and how many characters each holds."""


class PresetForm(TypedForm):
    """Makes one preset, changes or removes it."""

    name = "preset"
    longest = "opening"

    def __init__(self, changes: ConfigChanges, show: Show) -> None:
        super().__init__()
        self._changes, self._show = changes, show

    async def begin(self, interaction: Interaction, preset: Preset | None) -> None:
        """Open the form with what a preset has; empty for a new one."""
        typed = None if preset is None else typed_of(TEXTS.for_user(interaction), preset)
        await self.open(interaction, "", typed)

    def title(self, words: Words) -> str:
        """Return what stands above the form."""
        return words("preset.title")

    async def fields(self, interaction: Interaction, state: str) -> Sequence[Field]:
        """Return the fields, empty."""
        words = TEXTS.for_user(interaction)
        return [
            discord.ui.TextInput(
                label=words(f"preset.{key}"),
                custom_id=key,
                style=discord.TextStyle.paragraph if key in ("opening", "stop") else discord.TextStyle.short,
                required=key == "name",
                max_length=characters,
            )
            for key, characters in FIELDS.items()
        ]

    async def take(self, interaction: Interaction, state: str, typed: Mapping[str, str]) -> None:
        """Keep the preset."""
        self._changes.check_manages(interaction)
        typed = dict.fromkeys(FIELDS, "") | dict(typed)
        name = typed["name"].strip().casefold()
        if not 0 < len(name) <= presets.MAX_NAME:
            raise Refusal(TEXTS.for_user(interaction)("preset.bad_name", most=presets.MAX_NAME))
        change = {presets.KEY + name: _read(interaction, typed)}
        await self._changes.check(interaction, change)
        await interaction.response.defer()
        await self._show(interaction, await self._changes.make(interaction, change))


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


def _read(interaction: Interaction, typed: Mapping[str, str]) -> dict[str, Any] | None:
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
