"""The Discord client: brings plugins up, registers commands where they changed, answers errors, stops cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from townhall_bot import plugin_host
from townhall_bot.command_sync import CommandSync
from townhall_bot.plugin_host import LoadedPlugin
from townhall_bot.plugins import Plugin
from townhall_bot.replies import explain
from townhall_bot.settings import ENV_FILE, Settings
from townhall_bot.store import Store

log = logging.getLogger("townhall.bot")

# A bot without voice has no use for what voice needs, nor for a warning at every start.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

FAILURE_KEY = "plugin-failure/"
"""Prefix of the store's keys under which ``townhall doctor`` finds how the last start went wrong."""
UNWELL_KEY = "plugin-unwell/"
"""Prefix of those under which it finds what a running plugin that is not well says of itself."""
HEALTH_SECONDS = 60.0


class Tree(app_commands.CommandTree["Townhall"]):
    """The commands. Tells the client when one has settled, and the asker when it failed."""

    async def on_error(self, interaction: discord.Interaction[Townhall], error: app_commands.AppCommandError) -> None:
        """Explain the failure to the asker."""
        if interaction.type is discord.InteractionType.autocomplete:
            log.warning("autocomplete failed: %s", error)  # nobody waits for an answer that could be shown
            return
        await explain(interaction, error)
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        self.client.dispatch("townhall_settled", interaction, cause)


class Townhall(discord.Client):
    """The bot. No privileged intents, and nothing it sends mentions anyone.

    Dispatches two events of its own: ``townhall_ready`` once, when plugins run, commands are registered and the
    gateway is ready; ``townhall_settled(interaction, error)`` after each application command, ``error`` None where
    its callback returned.

    ``plugin_classes`` replaces the installed plugins. ``always_sync`` registers commands even where they are
    unchanged. ``guild_ready_timeout`` is how many seconds discord.py waits for another server before it is ready.
    :meth:`close` stops the plugins and closes ``store`` too.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        plugin_classes: Sequence[type[Plugin] | LoadedPlugin] | None = None,
        *,
        env_file: str | Path | None = ENV_FILE,
        always_sync: bool = False,
        guild_ready_timeout: float = 2.0,
    ) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=guild_ready_timeout,
        )
        self.settings = settings
        self.store = store
        self.tree = Tree(self)
        found = plugin_host.find_plugins(settings) if plugin_classes is None else plugin_host.gather(plugin_classes)
        self.plugins: dict[str, LoadedPlugin] = {loaded.name: loaded for loaded in found}
        for loaded in found:
            plugin_host.read_settings(loaded, env_file)
        self._sync = CommandSync(self.tree, store, settings.guild, always=always_sync)
        self.started = asyncio.Event()
        """Set together with ``townhall_ready``; can be awaited before the login, which events cannot."""
        self._watching: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        """Bring up the plugins and register their commands; called by :meth:`login`, before the gateway."""
        plugins = list(self.plugins.values())
        self.construct_plugins()
        await asyncio.gather(*(plugin_host.start(loaded) for loaded in plugins))
        await self._sync.run(plugins)
        for loaded in plugins:
            if loaded.running:
                self._add(loaded)
            if not loaded.running:
                await plugin_host.stop(loaded)
            await self.store.set_value(FAILURE_KEY + loaded.name, loaded.failure)
            await self.store.set_value(UNWELL_KEY + loaded.name, None)
        running = [loaded.name for loaded in plugins if loaded.running]
        log.info("plugins running: %s", ", ".join(running) or "none")

    def construct_plugins(self) -> None:
        """Create the plugins and ask for their commands, without starting anything."""
        for loaded in self.plugins.values():
            plugin_host.construct(loaded, self, self.store, self.settings.data_dir)
        plugin_host.refuse_clashes(self.plugins.values())

    async def on_ready(self) -> None:
        """Announce the bot's readiness once; Discord sends this again after a lost session."""
        if not self.started.is_set():
            self.started.set()
            if self._stopping is None:
                self._watching = asyncio.create_task(self._keep_watch(), name="townhall-health")
            log.info("connected as %s, %d server(s)", self.user, len(self.guilds))
            self.dispatch("townhall_ready")

    async def look_after(self, loaded: LoadedPlugin) -> None:
        """Ask a running plugin how it is; log and keep the answer where it became unwell or well again."""
        before = await self.store.get_value(UNWELL_KEY + loaded.name)
        health = await plugin_host.health(loaded)
        now = None if health.ok else health.summary
        if now != before:
            if now is None:
                log.info("plugin %s is well again", loaded.name)
            else:
                log.warning("plugin %s is not well: %s", loaded.name, now)
            await self.store.set_value(UNWELL_KEY + loaded.name, now)

    async def on_app_command_completion(self, interaction: discord.Interaction[Townhall], command: object) -> None:
        """Pass on that a command's callback returned."""
        self.dispatch("townhall_settled", interaction, None)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log a failing event handler; discord.py's own would log the event's content too."""
        log.exception("the handler of %s failed", event_method)

    async def close(self) -> None:
        """Stop the plugins while Discord can still be told, then disconnect and close the store."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="townhall-stop")
        await asyncio.shield(self._stopping)

    async def run_until_stopped(self, token: str) -> None:
        """Serve until SIGINT or SIGTERM, then stop cleanly. Raises what :meth:`start` raises."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        serving = asyncio.create_task(self.start(token), name="townhall-serve")
        stopped = asyncio.create_task(stop.wait(), name="townhall-signal")
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                log.info("stopping")
                if not self.started.is_set():  # else plugins would be stopped while they still start
                    serving.cancel()
                    await asyncio.wait({serving})
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)  # a second Ctrl-C ends a stop that hangs
            stopped.cancel()
            await self.close()
        serving.cancel()
        await asyncio.wait({serving})
        if not serving.cancelled() and (error := serving.exception()) is not None:
            raise error

    def _add(self, loaded: LoadedPlugin) -> None:
        assert loaded.plugin is not None  # a running plugin exists
        try:
            for command in loaded.commands:
                self.tree.add_command(command)
            self.add_dynamic_items(*loaded.plugin.dynamic_items())
        except Exception as error:
            loaded.fail("registration", error)
            for command in loaded.commands:
                self.tree.remove_command(command.name, type=getattr(command, "type", discord.AppCommandType.chat_input))

    async def _keep_watch(self) -> None:
        while True:
            for loaded in self.plugins.values():
                if loaded.running:
                    await self.look_after(loaded)
            await asyncio.sleep(HEALTH_SECONDS)

    async def _stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await asyncio.gather(*(plugin_host.stop(loaded) for loaded in self.plugins.values()))
        await super().close()
        await self.store.close()
