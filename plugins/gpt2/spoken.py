"""In which language the plugin speaks: to the channel in its own, to one person in theirs."""

from __future__ import annotations

from typing import Any

import discord

from plugins.gpt2.messages import TEXTS
from townhall_bot.i18n import Words

__all__ = ["TEXTS", "to_asker", "to_channel"]


def to_channel(interaction: discord.Interaction[Any]) -> Words:
    """Return the texts for what everyone reads; in direct messages that is the asker alone."""
    return TEXTS.of(interaction.guild_locale or interaction.locale)


def to_asker(interaction: discord.Interaction[Any]) -> Words:
    """Return the texts for what only the asker reads."""
    return TEXTS.of(interaction.locale)
