"""Pytest fixtures for plugins: a Discord on this machine, a server with people, and the bot with your plugin.

Say ``pytest_plugins = ["townhall_bot.testkit"]`` in the top ``conftest.py``, name your plugin in a fixture, and
write what people do::

    @pytest.fixture
    def townhall_plugins():
        return [PingPlugin]

    async def test_a_member_pings(townhall, ada):
        turn = await ada.type("/ping")
        await townhall.settled(turn)
        assert "Pong" in turn.text
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import SecretStr

from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import running
from townhall_bot.loopback import Guild, LoopbackDiscord, Message, Person, TownhallWorld, Turn, point_discord_at
from townhall_bot.loopback.wire.openapi import DESCRIPTION_VARIABLE
from townhall_bot.plugins import Plugin
from townhall_bot.plugins.outcomes import Outcomes
from townhall_bot.settings import PREFIX, Settings, load_settings
from townhall_bot.shards.bot import bot_class
from townhall_bot.store import Store, database_in

__all__ = [
    "RunningTownhall",
    "StartTownhall",
    "ada",
    "admin",
    "ben",
    "clean_settings",
    "discord_server",
    "guild",
    "start_townhall",
    "stranger",
    "townhall",
    "townhall_plugins",
    "townhall_settings",
    "undescribed",
    "world",
]

P = TypeVar("P", bound=Plugin)
START_SECONDS = 60.0
RATE_SCALE = 0.02
"""Rate limits have Discord's counts in windows this much shorter, so that a test need not sit them out."""


class RunningTownhall:
    """The bot, connected to the local Discord, and how each command, press, choice and form ended."""

    def __init__(self, bot: Townhall) -> None:
        self.bot = bot
        self._outcomes = Outcomes(bot)

    async def settled(self, turn: Turn | Message, seconds: float = 30) -> Exception | None:
        """Wait until a turn's callback, or what answers a message, has ended; return what it raised, or None.

        Raises TimeoutError, with what the asker saw, after ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._outcomes.of(turn)
        except TimeoutError:
            raise TimeoutError(f"not settled after {seconds:g} s: {turn}") from None

    def plugin(self, cls: type[P]) -> P:
        """Return the running plugin of a class, for what no person sees: its health, what it stored.

        Raises LookupError, saying how it failed, where it does not run.
        """
        loaded = self.bot.plugins.get(cls.name)
        if loaded is None or not loaded.running or not isinstance(loaded.plugin, cls):
            raise LookupError(f"plugin {cls.name} {(loaded and loaded.failure) or 'is not running'}")
        return loaded.plugin

    async def stop(self) -> None:
        """Stop the bot as a shutdown does; stopping twice is fine."""
        await self.bot.close()


CleanSettings = Callable[[Mapping[str, str]], None]
"""What the fixture :func:`clean_settings` gives."""
StartTownhall = Callable[..., Awaitable[RunningTownhall]]
"""``await start_townhall(PluginClass, ..., settings={"TOWNHALL_X": "1"})`` starts the bot; again, restarts it."""


def undescribed(server: LoopbackDiscord) -> list[str]:
    """Return what requests broke Discord's own OpenAPI description, a line each; none where it is not at hand."""
    return [f"{r.method} {r.path}: {fault}" for r in server.requests for fault in r.schema_errors]


@asynccontextmanager
async def local_discord(rate_scale: float = RATE_SCALE) -> AsyncGenerator[LoopbackDiscord]:
    """Yield what :func:`discord_server` gives."""
    async with LoopbackDiscord(rate_scale=rate_scale) as server:
        with point_discord_at(server):
            yield server
        faults = undescribed(server)
    if faults:
        pytest.fail("requests that Discord's description does not allow:\n" + "\n".join(faults))


@pytest.fixture
async def discord_server() -> AsyncIterator[LoopbackDiscord]:
    """A local Discord that this process's clients connect to.

    Fails the test at its end where a request broke Discord's own OpenAPI description.
    """
    async with local_discord() as server:
        yield server


@pytest.fixture
async def world(discord_server: LoopbackDiscord) -> TownhallWorld:
    """The ready-made server with its channels and people."""
    return discord_server.townhall()


@pytest.fixture
async def guild(world: TownhallWorld) -> Guild:
    """The ready-made server."""
    return world.guild


@pytest.fixture
async def admin(world: TownhallWorld) -> Person:
    """Somebody with Manage Server."""
    return world.people["admin"]


@pytest.fixture
async def ada(world: TownhallWorld) -> Person:
    """A member."""
    return world.people["ada"]


@pytest.fixture
async def ben(world: TownhallWorld) -> Person:
    """Another member."""
    return world.people["ben"]


@pytest.fixture
async def stranger(world: TownhallWorld) -> Person:
    """Somebody who may not use commands."""
    return world.people["stranger"]


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    """The plugins of :func:`townhall`; override this in your tests."""
    return []


@pytest.fixture
def townhall_settings() -> Mapping[str, str]:
    """Settings of :func:`townhall` by environment variable; override this where you need some."""
    return {}


@pytest.fixture
def clean_settings(monkeypatch: pytest.MonkeyPatch) -> CleanSettings:
    """Return a function that makes the given settings the only ones in the environment."""

    def apply(settings: Mapping[str, str]) -> None:
        for name in list(os.environ):
            if name.startswith(PREFIX) and name != DESCRIPTION_VARIABLE:
                monkeypatch.delenv(name)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    return apply


@asynccontextmanager
async def starting(
    server: LoopbackDiscord, folder: Path, clean_settings: CleanSettings
) -> AsyncGenerator[StartTownhall]:
    """Yield what :func:`start_townhall` gives: bots on ``server`` with their data in ``folder``; stop them all."""
    async with AsyncExitStack() as stack:

        async def start(*plugins: type[Plugin], settings: Mapping[str, str] | None = None) -> RunningTownhall:
            clean_settings(settings or {})
            token = SecretStr(server.token)
            core = load_settings(Settings, env_file=None).model_copy(update={"token": token, "data_dir": folder})
            store = Store.open(database_in(folder))
            bot = bot_class(core)(core, store, list(plugins), env_file=None, guild_ready_timeout=0.02)
            posts = server.sign_posts() if core.interactions_port is not None else None
            await stack.enter_async_context(running(bot, server.token, within_s=START_SECONDS))
            if posts is not None and bot.endpoint is not None:
                await posts.begin(bot.endpoint.url)
            return RunningTownhall(bot)

        yield start


@pytest.fixture
async def start_townhall(
    discord_server: LoopbackDiscord, world: TownhallWorld, tmp_path: Path, clean_settings: CleanSettings
) -> AsyncIterator[StartTownhall]:
    """Start the real bot with plugin classes and settings; every start of a test shares one data folder."""
    async with starting(discord_server, tmp_path, clean_settings) as start:
        yield start


async def started(
    start: StartTownhall, plugins: Sequence[type[Plugin]], settings: Mapping[str, str]
) -> RunningTownhall:
    """Return what :func:`townhall` gives; fail the test where one of ``plugins`` does not run."""
    running = await start(*plugins, settings=settings)
    if failed := [f"plugin {each.name} {each.failure}" for each in running.bot.plugins.values() if each.failure]:
        pytest.fail("\n".join(failed))
    return running


@pytest.fixture
async def townhall(
    start_townhall: StartTownhall,
    townhall_plugins: Sequence[type[Plugin]],
    townhall_settings: Mapping[str, str],
) -> RunningTownhall:
    """The real bot with ``townhall_plugins``, connected and ready. Fails the test where one of them does not run."""
    return await started(start_townhall, townhall_plugins, townhall_settings)
