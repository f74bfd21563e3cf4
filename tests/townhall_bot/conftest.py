"""Ground for the core's tests: none of this machine's settings, and a plugin that does what a test says."""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import discord
import pytest
from discord import app_commands

from tests.townhall_bot.installed import Installed
from townhall_bot.discordpy import backoff
from townhall_bot.loopback import LoopbackDiscord, point_discord_at
from townhall_bot.plugins import Plugin

Act = Callable[[discord.Interaction], Awaitable[None]]
PluginDoing = Callable[..., type[Plugin]]


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        mine = name.startswith("TOWNHALL_") and name != "TOWNHALL_DISCORD_OPENAPI"
        if mine or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TOWNHALL_HEALTH_PORT", "0")  # two runs of the tests at once must not want the same port


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what fails for a moment be tried again at once, as often as otherwise."""
    monkeypatch.setattr(backoff, "uniform", lambda low, high: low)


@pytest.fixture
def plugin_doing() -> PluginDoing:
    """Return a function that makes a plugin: its command, ``/act`` by default, does ``act``."""

    def make(act: Act, *, plugin: str = "stage", command: str = "act", description: str = "Act.") -> type[Plugin]:
        class Stage(Plugin):
            name: ClassVar[str] = plugin

            def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
                async def callback(interaction: discord.Interaction) -> None:
                    await act(interaction)

                return (app_commands.Command(name=command, description=description, callback=callback),)

        return Stage

    return make


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """Return a function that makes the folder of a package that can be imported for the length of a test."""
    packages = []

    def make(package: str) -> Path:
        packages.append(package)
        folder = tmp_path / "installed" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        monkeypatch.syspath_prepend(folder.parent)
        return folder

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and one for the data."""
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TOWNHALL_PLUGINS", "ping")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server_beside() -> Iterator[LoopbackDiscord]:
    """A local Discord on a thread of its own: ``main`` needs this one for its event loop and signals."""
    server, ready, loop = LoopbackDiscord(), threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    with point_discord_at(server):
        yield server
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()
