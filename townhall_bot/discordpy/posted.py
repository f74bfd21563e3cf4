"""A client without a gateway: what is posted to it goes where the gateway's events go."""

from __future__ import annotations

from typing import Any

import discord

from townhall_bot.discordpy.interactions import EVENT


def take(client: discord.Client, interaction: dict[str, Any]) -> None:
    """Have a client act on an interaction, as if the gateway had told of it."""
    client._connection.parsers[EVENT](interaction)


def be_ready(client: discord.Client) -> None:
    """Say that a client is ready, which otherwise the gateway's first events do."""
    client._connection.call_handlers("ready")
    client._connection.dispatch("ready")
