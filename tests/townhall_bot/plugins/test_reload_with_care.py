"""What a reload must not do: mix old and new modules, hold both in memory, or run twice at once."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable

import pytest

from tests.townhall_bot.installed import Installed, said
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
def write(installed: Installed) -> Write:
    """Return a function that writes the plugin's two modules."""
    folder = installed("owl_under_test")

    def written(word: str, plugin: str = PLUGIN) -> None:
        (folder / "words.py").write_text(f"WORD = {word!r}\n")
        (folder / "plugin.py").write_text(plugin)

    written("hoo")
    return written


@pytest.fixture
async def townhall(write: Write, start_townhall: StartTownhall) -> RunningTownhall:
    return await start_townhall(importlib.import_module("owl_under_test.plugin").Owl)


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
