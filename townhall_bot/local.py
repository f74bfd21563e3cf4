"""``townhall local``: a Discord on this machine, the real client connected to it, and a page or one command."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import discord
from pydantic import SecretStr

from townhall_bot import plugin_reload
from townhall_bot.bot import Townhall
from townhall_bot.local_page import PageOptions, serve_page
from townhall_bot.loopback import (
    CommandRefused,
    LoopbackDiscord,
    ManualClock,
    Person,
    TownhallWorld,
    Turn,
    point_discord_at,
)
from townhall_bot.loopback.clock import Snowflakes
from townhall_bot.loopback.state_file import StateFile, StateFileError
from townhall_bot.plugin_host import LoadedPlugin
from townhall_bot.settings import Settings
from townhall_bot.store import Store

OK, FAILED, USAGE = 0, 1, 2


class Settled:
    """Remembers how each command ended, so that nobody misses one that was quick."""

    def __init__(self, bot: Townhall) -> None:
        self._ends: dict[int, asyncio.Future[Exception | None]] = {}
        bot.on_townhall_settled = self._note  # type: ignore[attr-defined] # discord.py looks handlers up by name

    async def of(self, turn: Turn) -> Exception | None:
        """Wait until the command has settled; return what it raised, or None."""
        return await self._end(turn.interaction_id)

    async def _note(self, interaction: discord.Interaction, error: Exception | None) -> None:
        end = self._end(interaction.id)
        if not end.done():
            end.set_result(error)

    def _end(self, interaction_id: int) -> asyncio.Future[Exception | None]:
        return self._ends.setdefault(interaction_id, asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else there is to a local Discord: a file that keeps its state, the weather, plugins that reload."""

    state: Path | None = None
    weather: str = "calm"
    weather_seed: int = 0
    reload: bool = False


async def run_local(
    settings: Settings,
    plugins: Sequence[LoadedPlugin],
    *,
    say: str | None,
    as_: str,
    page: PageOptions,
    around: Surroundings = Surroundings(),
) -> int:
    """Run the bot against a local Discord: one command for ``say``, else a page. Returns the exit status.

    Settings made there are kept in a folder of their own and do not mix with the real bot's.
    """
    _note("starting a Discord on this machine")
    began = time.perf_counter()
    async with LoopbackDiscord(port=page.port if say is not None else 0) as server:
        with point_discord_at(server):
            people = familiar_townhall(server).people
            if around.weather != "calm":
                server.weather.begin(around.weather, around.weather_seed)
                _note(f"the weather is {around.weather}, seed {around.weather_seed}")
            if as_ not in people:
                print(f"townhall: nobody here is called {as_!r}. There are: {', '.join(people)}.", file=sys.stderr)
                return USAGE
            try:
                async with _kept(around.state, server):
                    if say is None:
                        bot_there = _attended(connected(settings, plugins, server.token), around.reload)
                        return await serve_page(server, bot_there, page)
                    async with connected(settings, plugins, server.token) as bot:
                        _note(f"the bot is ready after {time.perf_counter() - began:.1f} s")
                        return await say_once(people[as_], say, Settled(bot))
            except StateFileError as error:
                print(f"townhall: --state: {error}", file=sys.stderr)
                return USAGE


@contextlib.asynccontextmanager
async def _kept(path: Path | None, server: LoopbackDiscord) -> AsyncIterator[None]:
    """Keep the local Discord's state in a file, from one day to another."""
    if path is None:
        yield
        return
    file = StateFile(path, server.world)
    _note(f"the state of {path} is back" if file.load() else f"the state is kept in {path}")
    keeping = asyncio.create_task(file.keep(), name="townhall-state")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@contextlib.asynccontextmanager
async def _attended(connected: AbstractAsyncContextManager[Townhall], reload: bool) -> AsyncIterator[Townhall]:
    """Bring in the bot; with ``reload``, reload plugins whose files change."""
    async with connected as bot:
        watching = asyncio.create_task(plugin_reload.watch(bot, _note), name="townhall-watch") if reload else None
        try:
            yield bot
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)


def familiar_townhall(server: LoopbackDiscord) -> TownhallWorld:
    """Make the ready-made server with the same ids at every start, so that its settings are found again."""
    ids, server.world.ids = server.world.ids, Snowflakes(ManualClock())
    try:
        return server.townhall()
    finally:
        server.world.ids = ids


async def say_once(person: Person, command: str, settled: Settled) -> int:
    """Type one command and print what the channel shows in the end."""
    try:
        turn = await person.type(command)
    except CommandRefused as refusal:
        print(refusal)
        return FAILED
    _note(f"{person.name} typed {command.split()[0]}; waiting for the answer")
    error = await settled.of(turn)
    print(turn.text)
    return OK if error is None else FAILED


@contextlib.asynccontextmanager
async def connected(settings: Settings, plugins: Sequence[LoadedPlugin], token: str) -> AsyncIterator[Townhall]:
    """Connect a bot to the local Discord and stop it cleanly afterwards."""
    local = settings.model_copy(
        update={"token": SecretStr(token), "guild": None, "data_dir": settings.data_dir / "local"}
    )
    # The local Discord knows no commands yet, whatever was registered with the last one: hence always_sync.
    # It sends its servers at once, so there is no need to wait long for more of them.
    store = Store.open(local.data_dir / "townhall.db")
    bot = Townhall(local, store, plugins, always_sync=True, guild_ready_timeout=0.1)
    ready = asyncio.create_task(bot.started.wait())
    serving = asyncio.create_task(bot.start(token))
    try:
        await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving  # raises what went wrong
        yield bot
    finally:
        ready.cancel()
        await bot.close()
        serving.cancel()
        await asyncio.gather(ready, serving, return_exceptions=True)


def _note(text: str) -> None:
    print(f"townhall: {text}", file=sys.stderr, flush=True)
