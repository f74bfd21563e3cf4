"""Where the bot is only because a person has added it to their own account: what it says there is for them alone."""

from __future__ import annotations

from typing import Any

import discord

TIME_S = 14 * 60.0
"""For how long an answer to the asker alone can be written: Discord takes it for 15 minutes, by no other way."""


def is_alone(interaction: discord.Interaction[Any]) -> bool:
    """Tell whether the bot is no member of the place it is asked in, but was brought along by the asker.

    Others there have not asked for it, and its own rights reach no channel, so answers are to be ephemeral.
    """
    if interaction.is_guild_integration() or not interaction.is_user_integration():
        return False
    return interaction.guild_id is not None or not interaction.context.dm_channel
