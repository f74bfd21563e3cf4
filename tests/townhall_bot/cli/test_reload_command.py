"""`townhall reload`: plugins that changed come up anew in the bot that runs, the others go on."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from plugins.ping.plugin import PingPlugin
from tests.townhall_bot.installed import Installed
from townhall_bot.bot import Townhall
from townhall_bot.cli import main
from townhall_bot.lifecycle import serve_until_stopped
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.plugins.outcomes import Outcomes
from townhall_bot.settings import Settings
from townhall_bot.store import Store, lock

PLUGIN = """
from discord import app_commands
from pydantic_settings import SettingsConfigDict
from townhall_bot.plugins import Plugin, PluginSettings

class OwlSettings(PluginSettings):
    model_config = SettingsConfigDict(env_prefix="TOWNHALL_OWL_")
    call: str = "hoo"

class Owl(Plugin):
    name = "owl"
    settings_model = OwlSettings

    def commands(self):
        @app_commands.command(name="say", description="Say the word")
        async def say(interaction):
            await interaction.response.send_message(WORD)
        return [say]
"""


@pytest.fixture
def folder(installed: Installed) -> Path:
    """Where the plugin's file is."""
    folder = installed("owl_under_test")
    write(folder, '"hoot"')
    return folder


def write(folder: Path, word: str) -> None:
    (folder / "plugin.py").write_text(PLUGIN.replace("WORD", word))


class Logged(logging.Handler):
    """What the bot says of reloads."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put_nowait(record.getMessage())

    async def until(self, part: str) -> str:
        async with asyncio.timeout(10):
            while part not in (line := await self.lines.get()):
                pass
        return line


@asynccontextmanager
async def serving(server: LoopbackDiscord, data: Path) -> AsyncIterator[tuple[Townhall, Logged]]:
    """A bot as `townhall run` has it, with its lock; stopped at the end."""
    logged = Logged()
    logger, level = logging.getLogger("townhall.plugins"), logging.getLogger("townhall.plugins").level
    logger.addHandler(logged)
    logger.setLevel(logging.INFO)
    owl = importlib.import_module("owl_under_test.plugin").Owl
    with lock.held(data, 0):
        store = Store.open(data / "townhall.db")
        bot = Townhall(Settings(data_dir=data), store, [owl, PingPlugin], guild_ready_timeout=0.02)
        task = asyncio.create_task(serve_until_stopped(bot, server.token))
        try:
            await asyncio.wait_for(bot.started.wait(), 10)
            yield bot, logged
        finally:
            await bot.close()
            await asyncio.wait([task])
            logger.removeHandler(logged)
            logger.setLevel(level)


async def said(bot: Townhall, person: Person) -> str:
    outcomes = Outcomes(bot)
    turn = await person.type("/say")
    assert await outcomes.of(turn) is None
    return turn.text


async def test_a_plugin_whose_file_changed_comes_up_anew_and_the_others_go_on(
    discord_server: LoopbackDiscord, ada: Person, folder: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(discord_server, elsewhere / "data") as (bot, logged):
        assert await said(bot, ada) == "hoot"
        ping = bot.plugins["ping"].plugin
        write(folder, '"hoot hoot"')
        assert main(["reload"]) == 0
        assert "its log says which it reloads" in capsys.readouterr().out
        assert await logged.until("reloaded") == "plugin owl reloaded"
        assert await said(bot, ada) == "hoot hoot"
        assert bot.plugins["ping"].plugin is ping
        # Where nothing changed since, nothing happens.
        assert main(["reload"]) == 0
        await logged.until("nothing to reload")
        # A broken file leaves the old one serving, and is tried again at the next time.
        write(folder, "1 +")
        assert main(["reload"]) == 0
        assert "SyntaxError" in await logged.until("The old one goes on")
        assert await said(bot, ada) == "hoot hoot"


def call(bot: Townhall) -> str:
    settings: Any = bot.plugins["owl"].settings
    return str(settings.call)


async def test_a_plugin_whose_settings_changed_reads_them(
    discord_server: LoopbackDiscord, folder: Path, elsewhere: Path
) -> None:
    async with serving(discord_server, elsewhere / "data") as (bot, logged):
        (elsewhere / ".env").write_text("TOWNHALL_OWL_CALL=woot\n")
        assert main(["reload"]) == 0
        await logged.until("plugin owl reloaded")
        assert call(bot) == "woot"
        (elsewhere / ".env").write_text("TOWNHALL_TOKEN=x\nTOWNHALL_OWL_CALL=\n")
        assert main(["reload"]) == 0
        await logged.until("plugin owl reloaded")
        assert call(bot) == "hoo"


def test_where_no_bot_runs_it_says_so(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reload"]) == 1
    assert "no bot runs with" in capsys.readouterr().err


def test_beside_a_local_discord_it_is_said_how_that_one_reloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path))
    with lock.held(tmp_path / lock.LOCAL, 0, shared=True):
        assert main(["reload"]) == 1
    assert "started with --reload" in capsys.readouterr().err
