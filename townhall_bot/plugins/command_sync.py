"""Registering commands with Discord, only when they changed: Discord allows 200 new ones a day, and it takes time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands

from townhall_bot.discordpy import registration
from townhall_bot.discordpy.answers import FAILURES, Code, PutOff, code_of
from townhall_bot.discordpy.registration import Payload
from townhall_bot.i18n.translation import CommandTranslator
from townhall_bot.plugins.host import LoadedPlugin, PluginError
from townhall_bot.store import Store, StoreError
from townhall_bot.store.guild_settings import Json

log = logging.getLogger("townhall.commands")

KEY = "commands/"
EVERYWHERE = "everywhere"
LONGEST_PAUSE_S = 120.0
"""Who tries out commands meets limits of a minute; the next start may be far off."""
LATER = frozenset({Code.COMMANDS_OF_A_DAY})
"""What Discord refuses today with the status of a mistake. Nobody's commands are to blame."""
Payloads = list[tuple[LoadedPlugin, Payload]]
"""Each plugin with its commands as Discord is told of them."""


class CommandSync:
    """Keeps Discord's list of this bot's commands up to date in one place: everywhere, or in one server (``guild``).

    The store remembers, per application and place, a hash of what was sent and which version of each command Discord
    made of it. At each start Discord is asked what it has: the store may be an older backup, and somebody else may
    have changed the commands. (Comparing definitions instead would not do: Discord fills in what was left out.)
    ``always`` registers anyway.
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
            payloads = await self._payloads(plugins)
            payload = _joined(payloads)
            if not self._always and await self._unchanged(remembered.get(prefix + self._place), payload):
                log.info("commands unchanged")
                return
            payload, registered = await self._register(payloads)
            note = {"sent": _digest(payload), "registered": _versions(registered)}
            await self._store.set_value(prefix + self._place, note)
            log.info("%d command(s) registered: %s", len(payload), self._place)
        except discord.Forbidden as error:
            cure = "Invite the bot with the scope applications.commands, and check TOWNHALL_GUILD."
            log.error("Discord does not let this bot register commands (%s): %s. %s", self._place, error, cure)
        except FAILURES as error:
            later = " Those that Discord has stay; the next start tries again." if code_of(error) in LATER else ""
            log.error("the commands could not be registered (%s): %s.%s", self._place, str(error).rstrip("."), later)
        except StoreError as error:
            log.error("which commands are registered could not be looked up or noted (%s): %s", self._place, error)

    async def _unchanged(self, note: Json, payload: Payload) -> bool:
        """Tell whether the same was sent before, and Discord still has what it made of that."""
        if not isinstance(note, dict) or note.get("sent") != _digest(
            payload
        ):  # (a released version noted a hash alone)
            return False
        return bool(note.get("registered") == _versions(await self._listed()))

    async def _remembered(self, prefix: str) -> dict[str, Json]:
        """Return what this application registered where; forget what was noted for another one."""
        notes = await self._store.values(KEY)
        for key in notes:
            if not key.startswith(prefix):
                await self._store.set_value(key, None)
        return {key: note for key, note in notes.items() if key.startswith(prefix)}

    async def _clear_other_places(self, remembered: dict[str, Json], prefix: str) -> None:
        """Remove commands from where they were registered before, or one server would list each of them twice."""
        for key in remembered:
            place = key.removeprefix(prefix)
            if place != self._place:
                await self._put(place, [])
                await self._store.set_value(key, None)
                log.info("commands removed: %s", place)

    async def _register(self, payloads: Payloads) -> tuple[Payload, Payload]:
        """Send everything at once; leave out the plugins whose commands Discord refuses. Returns what it took, and its
        answer.

        What is refused changes nothing at Discord. So nobody's commands are gone for a moment, to come back under other
        ids and without what a server's admins have set for them, because another's are looked for.
        """
        while True:
            try:
                return _joined(payloads), await self._put(self._place, _joined(payloads))
            except discord.HTTPException as error:
                if error.status != 400 or error.code in LATER:
                    raise
                owners = [loaded for loaded, mine in payloads for _ in mine]
                blamed = {owners[number].name for number in registration.faulty(error) if number < len(owners)}
                if not blamed:
                    return await self._without_one(payloads, error)
                _refused([loaded for loaded, _ in payloads if loaded.name in blamed], error)
                payloads = [(loaded, mine) for loaded, mine in payloads if loaded.name not in blamed]

    async def _without_one(self, payloads: Payloads, refusal: discord.HTTPException) -> tuple[Payload, Payload]:
        """Find out whose commands are refused where Discord does not say: the last one's, if it takes the others'."""
        for loaded, mine in reversed(payloads):
            others = [each for each in payloads if each[0] is not loaded]
            if mine and (registered := await self._taken(_joined(others))) is not None:
                _refused([loaded], refusal)
                return _joined(others), registered
        accepted: Payload = []
        for loaded, mine in payloads:  # more than one is to blame: each joins those that are not
            if mine and await self._taken(accepted + mine) is None:
                _refused([loaded], refusal)
            else:
                accepted += mine
        # The last attempt may have been a refused one, and there may be no plugin left to send for.
        return accepted, await self._put(self._place, accepted)

    async def _taken(self, payload: Payload) -> Payload | None:
        """Return Discord's answer where it takes these commands; None where it refuses them."""
        try:
            return await self._put(self._place, payload)
        except discord.HTTPException as error:
            if error.status != 400 or error.code in LATER:
                raise
            return None

    async def _payloads(self, plugins: Sequence[LoadedPlugin]) -> Payloads:
        """Return what Discord is told of each plugin that runs, in the languages of its own texts."""
        payloads: Payloads = []
        for loaded in plugins:
            if not loaded.running or loaded.cls is None:
                continue
            try:
                translator = CommandTranslator([loaded.cls.texts])
                payloads.append((loaded, await registration.payload_of(loaded.commands, self._tree, translator)))
            except Exception as error:
                loaded.fail("registration", error)
        return payloads

    async def _put(self, place: str, payload: Payload) -> Payload:
        try:
            return await registration.register(self._tree.client, payload, _guild(place))
        except PutOff as error:
            if error.retry_after > LONGEST_PAUSE_S:
                raise
            log.warning("Discord takes the commands in %.0f s; the start waits for that", error.retry_after)
            await asyncio.sleep(error.retry_after)
            return await registration.register(self._tree.client, payload, _guild(place))

    async def _listed(self) -> Payload:
        return await registration.registered(self._tree.client, _guild(self._place))


def _joined(payloads: Payloads) -> Payload:
    return [command for _, mine in payloads for command in mine]


def _refused(plugins: Sequence[LoadedPlugin], error: discord.HTTPException) -> None:
    for loaded in plugins:
        loaded.fail("registration", PluginError(f"Discord refuses its commands: {error}"))


def _guild(place: str) -> int | None:
    return None if place == EVERYWHERE else int(place)


def _digest(payload: Payload) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _versions(registered: Payload) -> dict[str, str]:
    """Return each registered command's version by its id; Discord gives another with every change."""
    return {str(command["id"]): str(command["version"]) for command in registered}
