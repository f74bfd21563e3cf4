"""``townhall local``: a Discord on this machine, the real client connected to it, and a page or one command."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from townhall_bot.bot import Townhall
from townhall_bot.cli.local_page import PageOptions, serve_page
from townhall_bot.cli.terminal import FAILED, OK, USAGE, note
from townhall_bot.lifecycle import running
from townhall_bot.loopback import (
    CommandRefused,
    LoopbackDiscord,
    ManualClock,
    Person,
    PortUnusable,
    TownhallWorld,
    point_discord_at,
)
from townhall_bot.loopback.world.clock import Snowflakes
from townhall_bot.loopback.world.state_file import StateFile, StateFileError
from townhall_bot.ops.health import why_not
from townhall_bot.plugins import reload as reloading
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.plugins.outcomes import Outcomes
from townhall_bot.settings import Settings
from townhall_bot.store import Store, database_in, lock
from townhall_bot.store.lock import LOCAL


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
    note("starting a Discord on this machine")
    try:
        return await _run(settings, plugins, say, as_, page, around)
    except PortUnusable as error:
        note(
            f"the local Discord cannot listen on port {page.port}: {why_not(error)}. "
            "Choose another with --port, or leave --port out for any free one."
        )
        return FAILED


async def _run(
    settings: Settings,
    plugins: Sequence[LoadedPlugin],
    say: str | None,
    as_: str,
    page: PageOptions,
    around: Surroundings,
) -> int:
    began = time.perf_counter()
    async with LoopbackDiscord(port=page.port if say is not None else 0) as server:
        with point_discord_at(server):
            people = familiar_townhall(server).people
            if around.weather != "calm":
                server.faults.begin(around.weather, around.weather_seed)
                note(f"the weather is {around.weather}, seed {around.weather_seed}")
            if as_ not in people:
                note(f"nobody here is called {as_!r}. There are: {', '.join(people)}.")
                return USAGE
            try:
                async with _kept(around.state, server):
                    if say is None:
                        bot_there = _attended(connected(settings, plugins, server.token), around.reload)
                        return await serve_page(server, bot_there, page)
                    async with connected(settings, plugins, server.token) as bot:
                        note(f"the bot is ready after {time.perf_counter() - began:.1f} s")
                        return await say_once(people[as_], say, Outcomes(bot))
            except StateFileError as error:
                note(f"--state: {error}")
                return USAGE


@contextlib.asynccontextmanager
async def _kept(path: Path | None, server: LoopbackDiscord) -> AsyncIterator[None]:
    """Keep the local Discord's state in a file, from one day to another."""
    if path is None:
        yield
        return
    file = StateFile(path, server.world)
    note(f"the state of {path} is back" if file.load() else f"the state is kept in {path}")
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
        watching = asyncio.create_task(reloading.watch(bot, note), name="townhall-watch") if reload else None
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


async def say_once(person: Person, command: str, outcomes: Outcomes) -> int:
    """Type one command and print what the channel shows in the end."""
    try:
        turn = await person.type(command)
    except CommandRefused as refusal:
        print(refusal)
        return FAILED
    note(f"{person.name} typed {command.split()[0]}; waiting for the answer")
    error = await outcomes.of(turn)
    print(turn.text)
    return OK if error is None else FAILED


@contextlib.asynccontextmanager
async def connected(settings: Settings, plugins: Sequence[LoadedPlugin], token: str) -> AsyncIterator[Townhall]:
    """Connect a bot to the local Discord and stop it cleanly afterwards."""
    local = settings.model_copy(
        update={
            "token": SecretStr(token),
            "guild": None,
            "data_dir": settings.data_dir / LOCAL,
            "interactions_port": None,
            "shards": None,
        }
    )
    # The local Discord knows no commands yet, whatever was registered with the last one: hence always_sync.
    # It sends its servers at once, so there is no need to wait long for more of them.
    with lock.held(local.data_dir, 0, shared=True):  # so that `townhall doctor` knows of it; several may share it
        async with _connected(local, plugins, token) as bot:
            yield bot


@contextlib.asynccontextmanager
async def _connected(local: Settings, plugins: Sequence[LoadedPlugin], token: str) -> AsyncIterator[Townhall]:
    store = Store.open(database_in(local.data_dir))
    # It counts no sessions either: who tries things out starts as often as they like.
    bot = Townhall(local, store, plugins, always_sync=True, guild_ready_timeout=0.1, counts_sessions=False)
    async with running(bot, token):
        yield bot
