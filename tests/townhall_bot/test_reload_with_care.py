"""What a reload must not do: mix old and new modules, hold both in memory, or run twice at once."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from townhall_bot.loopback import Person
from townhall_bot.testkit import RunningTownhall, StartTownhall

PLUGIN = """
import gc
from discord import app_commands
from townhall_bot.plugins import Plugin

class Owl(Plugin):
    name = "owl"
    there_at_start = 0

    def commands(self):
        @app_commands.command(name="say", description="Say the word")
        async def say(interaction):
            from owl_under_test.words import WORD  # late, as heavy modules are imported
            await interaction.response.send_message(WORD)
        return [say]

    async def start(self):
        self.there_at_start = sum(type(each).__name__ == "Owl" for each in gc.get_objects())
"""
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Return a function that writes the plugin's two modules."""
    folder = tmp_path / "installed" / "owl_under_test"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder.parent)

    def written(word: str, plugin: str = PLUGIN) -> None:
        (folder / "words.py").write_text(f"WORD = {word!r}\n")
        (folder / "plugin.py").write_text(plugin)

    written("hoo")
    yield written
    for name in [name for name in sys.modules if name.startswith("owl_under_test")]:
        del sys.modules[name]


@pytest.fixture
async def townhall(write: Write, start_townhall: StartTownhall) -> RunningTownhall:
    return await start_townhall(importlib.import_module("owl_under_test.plugin").Owl)


async def said(townhall: RunningTownhall, ada: Person) -> str:
    turn = await ada.type("/say")
    await townhall.settled(turn)
    return turn.text


async def test_an_old_plugin_that_goes_on_keeps_to_its_own_modules(
    townhall: RunningTownhall, write: Write, ada: Person
) -> None:
    assert await said(townhall, ada) == "hoo"
    write("new", "import owl_under_test.words\nthis is no Python")
    assert await townhall.bot.plugins.reload("owl") is not None
    assert await said(townhall, ada) == "hoo"


async def test_the_old_one_is_gone_before_the_new_one_takes_as_much(townhall: RunningTownhall) -> None:
    assert await townhall.bot.plugins.reload("owl") is None
    plugin = townhall.bot.plugins["owl"].plugin
    assert plugin is not None
    assert plugin.there_at_start == 1  # type: ignore[attr-defined] # the new one itself


async def test_two_reloads_at_once_come_one_after_the_other(
    townhall: RunningTownhall, write: Write, ada: Person
) -> None:
    write("twit", PLUGIN)
    again = (townhall.bot.plugins.reload("owl") for _ in range(3))
    assert await asyncio.gather(*again) == [None, None, None]
    assert await said(townhall, ada) == "twit"
