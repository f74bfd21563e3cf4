"""Registering commands with Discord, only when they changed: Discord allows 200 new ones a day, and it takes time."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import discord
from discord import app_commands

from townhall_bot.plugin_host import LoadedPlugin, PluginError
from townhall_bot.store import Store

log = logging.getLogger("townhall.commands")

KEY = "commands/"
EVERYWHERE = "everywhere"
Payload = list[dict[str, Any]]


class CommandSync:
    """Keeps Discord's list of this bot's commands up to date in one place: everywhere, or in one server (``guild``).

    What was registered is remembered in the store as a hash per application and place. ``always`` registers anyway.
    """

    def __init__(self, tree: app_commands.CommandTree[Any], store: Store, guild: int | None, *, always: bool) -> None:
        self._tree = tree
        self._store = store
        self._place = str(guild or EVERYWHERE)
        self._always = always

    async def run(self, plugins: Sequence[LoadedPlugin]) -> None:
        """Register what changed. A plugin whose commands Discord refuses is failed, the others' are registered.

        Where Discord cannot be asked, the commands it knows stay, and the next start tries again.
        """
        prefix = f"{KEY}{self._tree.client.application_id}/"
        try:
            remembered = await self._remembered(prefix)
            await self._clear_other_places(remembered, prefix)
            payload = await self._payload(plugins)
            if not self._always and remembered.get(prefix + self._place) == _digest(payload):
                log.info("commands unchanged")
                return
            payload = await self._register(plugins, payload)
            await self._store.set_value(prefix + self._place, _digest(payload))
            log.info("%d command(s) registered: %s", len(payload), self._place)
        except discord.Forbidden as error:
            cure = "Invite the bot with the scope applications.commands, and check TOWNHALL_GUILD."
            log.error("Discord does not let this bot register commands (%s): %s. %s", self._place, error, cure)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.error("the commands could not be registered (%s): %s", self._place, error)

    async def _remembered(self, prefix: str) -> dict[str, str]:
        """Return what this application registered where; forget what was noted for another one."""
        notes = await self._store.values(KEY)
        for key in notes:
            if not key.startswith(prefix):
                await self._store.set_value(key, None)
        return {key: note for key, note in notes.items() if key.startswith(prefix)}

    async def _clear_other_places(self, remembered: dict[str, str], prefix: str) -> None:
        """Remove commands from where they were registered before, or one server would list each of them twice."""
        for key in remembered:
            place = key.removeprefix(prefix)
            if place != self._place:
                await self._put(place, [])
                await self._store.set_value(key, None)
                log.info("commands removed: %s", place)

    async def _register(self, plugins: Sequence[LoadedPlugin], payload: Payload) -> Payload:
        """Send everything at once; where Discord refuses that, find out whose commands it refuses."""
        try:
            await self._put(self._place, payload)
        except discord.HTTPException as error:
            if error.status != 400:
                raise
        else:
            return payload
        accepted: Payload = []
        for loaded in plugins:
            mine = await self._payload([loaded])
            try:
                await self._put(self._place, accepted + mine)
                accepted += mine
            except discord.HTTPException as error:
                if error.status != 400:
                    raise
                loaded.fail("registration", PluginError(f"Discord refuses its commands: {error}"))
        # The last attempt may have been a refused one, and there may be no plugin left to send for.
        await self._put(self._place, accepted)
        return accepted

    async def _payload(self, plugins: Sequence[LoadedPlugin]) -> Payload:
        """Return what Discord is told of the commands of the plugins that run."""
        payload: Payload = []
        for loaded in plugins:
            if not loaded.running:
                continue
            try:
                if self._tree.translator is None:
                    payload += [command.to_dict(self._tree) for command in loaded.commands]
                else:
                    translator = self._tree.translator
                    payload += [
                        await command.get_translated_payload(self._tree, translator) for command in loaded.commands
                    ]
            except Exception as error:
                loaded.fail("registration", error)
        return payload

    async def _put(self, place: str, payload: Payload) -> None:
        http, application = self._tree.client.http, self._tree.client.application_id
        assert application is not None  # known since the login
        if place == EVERYWHERE:
            await http.bulk_upsert_global_commands(application, payload)
        else:
            await http.bulk_upsert_guild_commands(application, int(place), payload)


def _digest(payload: Payload) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
