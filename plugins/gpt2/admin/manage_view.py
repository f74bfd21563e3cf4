"""What admins press: it answers those alone who manage the server, still."""

from __future__ import annotations

from typing import Any

import discord

from plugins.gpt2.messages import TEXTS
from townhall_bot.replies import Refusal

LIFETIME_S = 14 * 60.0
"""How long it answers: its message can be changed for 15 minutes."""


class ManageView(discord.ui.View):
    """Menus and buttons of an admin's."""

    def __init__(self) -> None:
        super().__init__(timeout=LIFETIME_S)

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Let only those in who manage the server, still."""
        if not interaction.permissions.manage_guild:
            raise Refusal(TEXTS.for_user(interaction)("config.change.permission"))
        return True
