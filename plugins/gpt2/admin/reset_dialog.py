"""Setting everything back: asked once, and undone where it was a mistake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord

from plugins.gpt2.admin.config_changes import ConfigChanges
from plugins.gpt2.admin.manage_view import ManageView
from plugins.gpt2.messages import TEXTS

Interaction = discord.Interaction[Any]
Refresh = Callable[[Interaction], Awaitable[None]]


async def ask(interaction: Interaction, changes: ConfigChanges, refresh: Refresh) -> None:
    """Ask whether everything shall be set back; ``refresh`` is awaited when something has changed."""
    words = TEXTS.for_user(interaction)

    async def reset(press: Interaction) -> None:
        await press.response.defer()
        old, lines = await changes.reset(press)
        await press.edit_original_response(**shown(press, changes, old, lines, refresh))
        await refresh(press)

    view = _Manage(words("config.reset.do"), discord.ButtonStyle.danger, reset)
    await interaction.response.send_message(words("config.reset.ask"), view=view, ephemeral=True)


def shown(
    interaction: Interaction,
    changes: ConfigChanges,
    old: Mapping[str, Any],
    lines: Sequence[str],
    refresh: Refresh | None = None,
) -> dict[str, Any]:
    """Return the message that says what was set back, with *Undo* where there is something to undo."""
    content = "\n".join(lines)[:2000]
    if not old:
        return {"content": content, "view": None}

    async def undo(press: Interaction) -> None:
        await press.response.defer()
        undone = await changes.undo(press, old)
        await press.edit_original_response(content="\n".join(undone)[:2000], view=None)
        if refresh is not None:
            await refresh(press)

    label = TEXTS.for_user(interaction)("config.reset.undo")
    return {"content": content, "view": _Manage(label, discord.ButtonStyle.secondary, undo)}


class _Manage(ManageView):
    """One button; it answers once."""

    def __init__(self, label: str, style: discord.ButtonStyle, do: Callable[[Interaction], Awaitable[None]]) -> None:
        super().__init__()
        button: discord.ui.Button[Any] = discord.ui.Button(label=label, style=style)

        async def press(interaction: Interaction) -> None:
            await do(interaction)
            self.stop()

        button.callback = press  # type: ignore[method-assign]  # as discord.py's own decorators do
        self.add_item(button)
