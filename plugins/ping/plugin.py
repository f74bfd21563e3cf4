"""``/ping``: is the bot there, and how far away is Discord? A complete plugin, small enough to read in a minute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from townhall_bot.i18n import Texts, Words
from townhall_bot.plugins import Health, Plugin, PluginContext, PluginSettings
from townhall_bot.plugins.installs import goes_along
from townhall_bot.replies.alone import is_alone

TEXTS = Texts.beside(__file__)


class PingSettings(PluginSettings):
    """Settings of the plugin ping."""

    model_config = SettingsConfigDict(env_prefix="TOWNHALL_PING_")

    public: bool = Field(default=False, description="Whether everyone in the channel sees the answer to /ping.")


class PingPlugin(Plugin):
    """Answers ``/ping`` with the gateway's latency."""

    name = "ping"
    settings_model = PingSettings
    texts = TEXTS

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.public: bool = context.settings.public

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        """Bring ``/ping``."""

        @app_commands.command(name="ping", description=TEXTS.english("description"))
        async def ping(interaction: discord.Interaction) -> None:
            words = TEXTS.for_channel(interaction) if self.public else TEXTS.for_user(interaction)
            answer = words("pong", latency=self.latency(words))
            await interaction.response.send_message(answer, ephemeral=not self.public or is_alone(interaction))

        goes_along(ping)
        return (ping,)

    async def health(self) -> Health:
        """Not well while the gateway does not answer."""
        return Health(not self.context.client.is_closed(), self.latency(TEXTS.of("en")))

    def latency(self, words: Words) -> str:
        """Return the time between a heartbeat and its answer, in words."""
        if getattr(self.context.client, "endpoint", None) is not None:
            return words("posted")
        seconds = self.context.client.latency  # not a number or infinite until the first heartbeat was answered
        return words("away", milliseconds=seconds * 1000) if math.isfinite(seconds) else words("unknown")
