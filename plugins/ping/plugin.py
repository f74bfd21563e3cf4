"""``/ping``: is the bot there, and how far away is Discord? A complete plugin, small enough to read in a minute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from townhall_bot.plugins import Health, Plugin, PluginContext, PluginSettings


class PingSettings(PluginSettings):
    """Settings of the plugin ping."""

    model_config = SettingsConfigDict(env_prefix="TOWNHALL_PING_")

    public: bool = Field(default=False, description="Whether everyone in the channel sees the answer to /ping.")


class PingPlugin(Plugin):
    """Answers ``/ping`` with the gateway's latency."""

    name = "ping"
    settings_model = PingSettings

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.public: bool = context.settings.public

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        """Bring ``/ping``."""

        @app_commands.command(name="ping", description="Is the bot there? Shows how long Discord takes to reach it.")
        async def ping(interaction: discord.Interaction) -> None:
            await interaction.response.send_message(f"Pong. {self.latency()}", ephemeral=not self.public)

        return (ping,)

    async def health(self) -> Health:
        """Not well while the gateway does not answer."""
        return Health(not self.context.client.is_closed(), self.latency())

    def latency(self) -> str:
        """Return the time between a heartbeat and its answer, in words."""
        seconds = self.context.client.latency  # not a number or infinite until the first heartbeat was answered
        return (
            f"Discord is {seconds * 1000:.0f} ms away." if math.isfinite(seconds) else "No heartbeat was answered yet."
        )
