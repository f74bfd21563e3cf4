"""All plugins of one bot: brought up together, their commands in its tree, one brought up anew, each looked after."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import discord

from townhall_bot.plugins import host, installs
from townhall_bot.plugins.command_sync import CommandSync
from townhall_bot.plugins.discovery import read_settings
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.plugins.reload import Reimport
from townhall_bot.settings import SettingsError, load_settings
from townhall_bot.store import StoreError

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall
    from townhall_bot.plugins import AppCommand

log = logging.getLogger("townhall.plugins")

FAILURE_KEY = "plugin-failure/"
"""Prefix of the store's keys under which ``townhall doctor`` finds how the last start went wrong."""
UNWELL_KEY = "plugin-unwell/"
"""Prefix of those under which it finds what a running plugin that is not well says of itself."""


class PluginRegistry(Mapping[str, LoadedPlugin]):
    """The plugins by name, those that failed too. Where two clash, the one that comes first in ``found`` has its way.

    ``env_file`` is read for the settings of those that have none yet.
    """

    def __init__(self, bot: Townhall, found: Sequence[LoadedPlugin], sync: CommandSync, env_file: str | Path | None):
        self._bot = bot
        self._sync = sync
        self._env_file = env_file
        self._plugins = {loaded.name: loaded for loaded in found}
        self._reloading = asyncio.Lock()
        for loaded in found:
            read_settings(loaded, env_file)

    def __getitem__(self, name: str) -> LoadedPlugin:
        return self._plugins[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def __len__(self) -> int:
        return len(self._plugins)

    def construct(self) -> None:
        """Create the plugins and ask for their commands, without starting anything."""
        for loaded in self.values():
            self._construct(loaded)
        host.refuse_clashes(self.values())

    async def bring_up(self) -> None:
        """Start the plugins side by side and register their commands. Call it after the login."""
        self.construct()
        await asyncio.gather(*(host.start(loaded) for loaded in self.values()))
        await self._register()
        for loaded in self.values():
            await self._serve(loaded)
        log.info("plugins running: %s", ", ".join(loaded.name for loaded in self.values() if loaded.running) or "none")

    async def reload(self, name: str) -> str | None:
        """Bring a plugin up anew from its files; return what went wrong, None where nothing did.

        Where the new one cannot even be imported and asked for its commands, the old one goes on. Raises KeyError
        for a plugin that is not there.
        """
        async with self._reloading:
            old = self[name]
            reimport = Reimport(old)
            new = reimport.load()
            read_settings(new, self._env_file)
            self._construct(new)
            host.refuse_clashes([*(other for other in self.values() if other is not old), new])
            if new.failure is not None:
                reimport.put_back()
                return f"{new.failure}. {'The old one goes on.' if old.running else ''}".rstrip()
            self._withdraw(old)
            await host.stop(old)
            old.plugin, old.cls = None, None  # the bot's watch may hold it yet
            old.commands, old.dynamic_items, old.forms = (), (), ()
            reimport.forget()
            gc.collect()  # what the old one held is free before the new one takes as much
            self._plugins[name] = new
            await host.start(new)
            await self._register()
            await self._serve(new)
            log.info("plugin %s reloaded", name)
            return new.failure

    def settings_changed(self, name: str) -> bool:
        """Tell whether the plugin's settings would be read differently now, or could not be. Reads a file."""
        loaded = self[name]
        if loaded.cls is None or loaded.settings is None:
            return False
        try:
            return load_settings(loaded.cls.settings_model, self._env_file) != loaded.settings
        except SettingsError:
            return True

    async def look_after(self, loaded: LoadedPlugin) -> None:
        """Ask a running plugin how it is; log and keep the answer where it became unwell or well again."""
        store = self._bot.store
        before = await store.get_value(UNWELL_KEY + loaded.name)
        health = await host.health(loaded)
        now = None if health.ok else health.summary
        if now != before:
            if now is None:
                log.info("plugin %s is well again", loaded.name)
            else:
                log.warning("plugin %s is not well: %s", loaded.name, now)
            await store.set_value(UNWELL_KEY + loaded.name, now)

    async def drain(self, seconds: float) -> None:
        """Let every plugin come to rest within ``seconds``; see :meth:`Plugin.drain`."""
        await asyncio.gather(*(host.drain(loaded, seconds) for loaded in self.values()))

    async def stop(self) -> None:
        """Stop every plugin that was started."""
        await asyncio.gather(*(host.stop(loaded) for loaded in self.values()))

    async def _register(self) -> None:
        if self._bot.registers_commands:
            await self._sync.run(list(self.values()))

    def _construct(self, loaded: LoadedPlugin) -> None:
        host.construct(loaded, self._bot, self._bot.store, self._bot.settings.data_dir)
        if loaded.failure is None and not self._bot.settings.user_installs:
            for command in loaded.commands:
                installs.keep_to_servers(command)

    async def _serve(self, loaded: LoadedPlugin) -> None:
        """Serve a started plugin's commands and show its metrics, and note how its start went."""
        if loaded.running:
            self._offer(loaded)
        if loaded.running:
            self._bot.metrics.add_plugin(loaded)
        else:
            await host.stop(loaded)
        try:
            await self._bot.store.set_value(FAILURE_KEY + loaded.name, loaded.failure)
            await self._bot.store.set_value(UNWELL_KEY + loaded.name, None)
        except StoreError as error:  # the note is for `townhall doctor`; people are served without it
            log.warning("how plugin %s started could not be noted: %s", loaded.name, error)

    def _offer(self, loaded: LoadedPlugin) -> None:
        """Take a plugin's commands into the tree, and its buttons; a failure is noted on it."""
        taken: list[AppCommand] = []
        try:
            for command in loaded.commands:
                self._bot.tree.add_command(command)
                taken.append(command)
            self._bot.add_dynamic_items(*loaded.dynamic_items)
            self._bot.forms.add(*loaded.forms)
        except Exception as error:
            loaded.fail("registration", error)
            loaded.commands, loaded.dynamic_items = tuple(taken), ()  # no more than its own is withdrawn
            self._withdraw(loaded)

    def _withdraw(self, loaded: LoadedPlugin) -> None:
        for command in loaded.commands:
            kind = getattr(command, "type", discord.AppCommandType.chat_input)
            self._bot.tree.remove_command(command.name, type=kind)
        self._bot.remove_dynamic_items(*loaded.dynamic_items)
        self._bot.forms.remove(*loaded.forms)
