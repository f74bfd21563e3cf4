"""Which of a server's own presets is to be changed: asked where there are some, before the form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord

from plugins.gpt2 import presets
from plugins.gpt2.admin.config_changes import ConfigChanges
from plugins.gpt2.admin.manage_view import ManageView
from plugins.gpt2.admin.preset_form import Interaction, PresetForm, Show, typed_of
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.presets import Preset

MAX_DESCRIPTION = 100
"""Characters that Discord takes below a menu's choice."""


async def open_form(
    interaction: Interaction,
    changes: ConfigChanges,
    kept: Mapping[str, Any],
    show: Show,
    refresh: Callable[[Interaction], Awaitable[None]],
) -> None:
    """Show the form of a preset as it is ``kept``, once it was chosen; an empty one where the server has none.

    ``show`` is what the form is given where it is opened at once; elsewhere ``refresh`` is awaited after a change.
    """
    names = (key.removeprefix(presets.KEY) for key in kept if key.startswith(presets.KEY))
    own = [preset for name in names if (preset := presets.of(kept, name)) is not None]
    if not own:
        await interaction.response.send_modal(PresetForm(interaction, changes, show, {}))
        return
    view = _Which(interaction, changes, own, refresh)
    await interaction.response.send_message(TEXTS.for_user(interaction)("preset.which"), view=view, ephemeral=True)


class _Which(ManageView):
    """A menu of the server's own presets, and a button for another one."""

    def __init__(
        self,
        interaction: Interaction,
        changes: ConfigChanges,
        own: Sequence[Preset],
        refresh: Callable[[Interaction], Awaitable[None]],
    ) -> None:
        super().__init__()
        words = TEXTS.for_user(interaction)
        menu: discord.ui.Select[Any] = discord.ui.Select(
            placeholder=words("preset.pick"),
            options=[
                discord.SelectOption(label=preset.name, description=" ".join(preset.opening.split())[:MAX_DESCRIPTION])
                for preset in own
            ],
        )
        another: discord.ui.Button[Any] = discord.ui.Button(label=words("preset.new"))

        async def changed(answer: Interaction, lines: list[str]) -> None:
            await answer.edit_original_response(content="\n".join(lines)[:2000], view=None)
            await refresh(answer)

        async def change(press: Interaction) -> None:
            chosen = next(preset for preset in own if preset.name == menu.values[0])
            typed = typed_of(TEXTS.for_user(press), chosen)
            await press.response.send_modal(PresetForm(press, changes, changed, typed))

        async def make(press: Interaction) -> None:
            await press.response.send_modal(PresetForm(press, changes, changed, {}))

        menu.callback = change  # type: ignore[method-assign,assignment]  # as discord.py's own decorators do
        another.callback = make  # type: ignore[method-assign,assignment]  # the same
        self.add_item(menu)
        self.add_item(another)
