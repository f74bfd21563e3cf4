"""The gpt2 plugin: joins commands, service, settings and the store. Knows Discord, not tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from discord import app_commands

from plugins.gpt2.doctor import checks
from plugins.gpt2.generate_command import GenerateCommand
from plugins.gpt2.plugin_config import ConfigCommand, GuildModels
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.plugins import Check, CliCommand, Health, Plugin, PluginContext

LAST_WORDS_S = 4.0
"""How long stopping waits for the final edits of what was under way."""


class GPT2Plugin(Plugin):
    """Brings ``/gpt2`` and ``/gpt2-config``."""

    name = "gpt2"
    settings_model = GPT2Settings

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        settings: GPT2Settings = context.settings
        self.service = self.make_service(settings)
        models = GuildModels(context.guild_settings, self.service.catalogue, settings.model)
        self._generate = GenerateCommand(self.service, models.of)
        self._config = ConfigCommand(self.service, models)

    def make_service(self, settings: GPT2Settings) -> GPT2Service:
        """Return the engine's asyncio side; a subclass may bring models from elsewhere."""
        return GPT2Service(settings)

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        """Return both commands, with the host's bounds."""
        return (self._generate.build(), self._config.build())

    async def start(self) -> None:
        """Start the engine; the default model is loaded meanwhile, and requests wait for it."""
        await self.service.start()

    async def stop(self) -> None:
        """End what runs, tell those who wait, and free the memory."""
        await self.service.close()
        await self._generate.finish(LAST_WORDS_S)

    async def health(self) -> Health:
        """Say what is loaded and how much there is to do."""
        status = await self.service.status()
        if self.service.failure is not None:
            return Health(False, self.service.failure)
        models = f"{', '.join(status.models)} on {status.device} ({status.dtype})" if status.models else "no model yet"
        loading = f", {status.loading}" if status.loading else ""
        return Health(True, f"{models}{loading}; {status.running} running, {status.queued} waiting")

    async def delete_member_data(self, user_id: int) -> int:
        """End what the member has under way. Nothing of it is stored, so nothing is deleted."""
        self.service.cancel_member(user_id)
        return 0

    @classmethod
    def checks(cls, settings: Any, data_dir: Path) -> Sequence[Check]:
        """Look at compiler, model and memory."""
        return checks(settings)

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        """Bring ``townhall gpt2`` and ``townhall models``."""
        from plugins.gpt2 import cli

        return cli.COMMANDS
