"""A plugin is brought up anew from its files while the bot runs; a broken one leaves the old one running."""

import asyncio
import gc
import importlib
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from tinygrad import helpers
from tinygrad.runtime import ops_cpu

import plugins
from plugins.gpt2.plugin import GPT2Plugin
from tests.townhall_bot.installed import Installed, said
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.plugins import Plugin
from townhall_bot.plugins.registry import FAILURE_KEY
from townhall_bot.plugins.reload import watch
from townhall_bot.testkit import RunningTownhall, StartTownhall

PLUGIN = """
from discord import app_commands, ui
from parrot_under_test.words import WORD
from townhall_bot.plugins import Plugin

class Parrot(Plugin):
    name = "parrot"

    def commands(self):
        @app_commands.command(name="COMMAND", description="Say the word")
        async def say(interaction):
            await interaction.response.send_message(WORD)
        return [say]

    async def start(self):
        START
"""

WITH_A_FORM = """
import re
import discord
from discord import app_commands
from parrot_under_test.words import WORD
from townhall_bot.plugins import LastingForm, Plugin, show_form

class Teach(LastingForm):
    template = re.compile(r"parrot:teach:\\d+")

    async def submitted(self, interaction, match, typed):
        await interaction.response.send_message(f"{typed['word']}? {WORD}!")

class Parrot(Plugin):
    name = "parrot"

    def commands(self):
        @app_commands.command(name="teach", description="Teach it a word")
        async def teach(interaction):
            modal = discord.ui.Modal(title="A word", custom_id=f"parrot:teach:{interaction.id}")
            await show_form(interaction, modal.add_item(discord.ui.TextInput(label="Word", custom_id="word")))
        return [teach]

    def forms(self):
        return [Teach()]
"""

Write = Callable[..., None]


@pytest.fixture
def write(installed: Installed) -> Write:
    """Return a function that writes the plugin's package as a test wants it."""
    folder = installed("parrot_under_test")

    def written(word: str = '"hello"', command: str = "say", start: str = "pass") -> None:
        (folder / "words.py").write_text(f"WORD = {word}\n")
        (folder / "plugin.py").write_text(PLUGIN.replace("COMMAND", command).replace("START", start))

    written()
    return written


@pytest.fixture
async def townhall(write: Write, start_townhall: StartTownhall) -> RunningTownhall:
    return await start_townhall(importlib.import_module("parrot_under_test.plugin").Parrot)


async def test_a_change_in_any_of_its_files_is_there_after_a_reload(
    townhall: RunningTownhall, write: Write, ada: Person
) -> None:
    """The two sources have the same size, and are written within one second: compiled files must not win."""
    assert await said(townhall, ada) == "hello"
    write('"jolly"')
    assert await townhall.bot.plugins.reload("parrot") is None
    assert await said(townhall, ada) == "jolly"


async def test_commands_are_registered_again_only_where_they_changed(
    townhall: RunningTownhall, write: Write, ada: Person, discord_server: LoopbackDiscord
) -> None:
    def registrations() -> int:
        return sum(request.method == "PUT" for request in discord_server.requests)

    before = registrations()
    write('"other words"')
    await townhall.bot.plugins.reload("parrot")
    assert registrations() == before
    write(command="speak")
    await townhall.bot.plugins.reload("parrot")
    assert registrations() == before + 1
    assert await said(townhall, ada, "/speak") == "hello"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"word": "1 +"}, "failed at import: SyntaxError"),
        ({"word": "nowhere"}, "failed at import: NameError"),
        ({"command": "Not A Name"}, "failed at commands()"),
        ({"command": "privacy"}, "is already a command of the plugin privacy"),
    ],
)
async def test_a_broken_one_is_told_and_the_old_one_goes_on(
    townhall: RunningTownhall, write: Write, ada: Person, change: dict[str, str], reason: str
) -> None:
    write(**change)
    failure = await townhall.bot.plugins.reload("parrot")
    assert failure is not None
    assert reason in failure
    assert failure.endswith("The old one goes on.")
    assert await said(townhall, ada) == "hello"
    write('"mended"')
    assert await townhall.bot.plugins.reload("parrot") is None
    assert await said(townhall, ada) == "mended"


async def test_one_that_cannot_start_is_told_and_the_next_reload_brings_it_back(
    townhall: RunningTownhall, write: Write, ada: Person
) -> None:
    write(start="raise OSError('no seeds')")
    assert await townhall.bot.plugins.reload("parrot") == "failed at start(): OSError: no seeds"
    assert await townhall.bot.store.get_value(FAILURE_KEY + "parrot") is not None
    write('"mended"')
    assert await townhall.bot.plugins.reload("parrot") is None
    assert await said(townhall, ada) == "mended"
    assert await townhall.bot.store.get_value(FAILURE_KEY + "parrot") is None


async def test_nothing_of_the_old_one_stays_in_memory(townhall: RunningTownhall, write: Write) -> None:
    plugin = townhall.bot.plugins["parrot"].plugin
    assert plugin is not None
    old: weakref.ref[Plugin] = weakref.ref(plugin)
    del plugin
    await townhall.bot.plugins.reload("parrot")
    gc.collect()
    assert old() is None


async def test_a_form_that_was_open_is_taken_by_the_new_one(
    installed: Installed, start_townhall: StartTownhall, ada: Person
) -> None:
    folder = installed("parrot_under_test")
    (folder / "words.py").write_text('WORD = "hello"\n')
    (folder / "plugin.py").write_text(WITH_A_FORM)
    townhall = await start_townhall(importlib.import_module("parrot_under_test.plugin").Parrot)
    form = await ada.type("/teach")
    await form.until(lambda turn: turn.modal)
    (folder / "words.py").write_text('WORD = "jolly"\n')
    assert await townhall.bot.plugins.reload("parrot") is None
    sent = await ada.submit(form, word="Polly")
    assert await townhall.settled(sent) is None
    assert sent.text == "Polly? jolly!"


async def test_a_watched_plugin_reloads_when_its_files_change(
    townhall: RunningTownhall, write: Write, ada: Person, tmp_path: Path
) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    looked = asyncio.Event()

    async def pause() -> None:
        looked.set()
        await asyncio.sleep(0)

    watching = asyncio.create_task(watch(townhall.bot, lines.put_nowait, pause))
    try:
        await looked.wait()  # the first look at the files lies before the change
        write('"watched"')
        assert await asyncio.wait_for(lines.get(), 10) == "plugin parrot reloaded"
        assert await said(townhall, ada) == "watched"
        (tmp_path / "installed" / "parrot_under_test" / "texts.toml").write_text("a = 1")
        assert await asyncio.wait_for(lines.get(), 10) == "plugin parrot reloaded"
        write("1 +")
        assert "SyntaxError" in await asyncio.wait_for(lines.get(), 10)
        assert await said(townhall, ada) == "watched"
    finally:
        watching.cancel()
        await asyncio.wait([watching])


@pytest.fixture
def tinygrad_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what a model's import sets in tinygrad: after a reload it is another import's, not other tests'."""
    for module, name in ((helpers, "db_connection"), (ops_cpu, "do_to_program")):
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.mark.usefixtures("tinygrad_as_it_is")
async def test_gpt2_comes_back_with_one_engine_and_writes_on(start_townhall: StartTownhall, ada: Person) -> None:
    def engines() -> int:
        return sum(thread.name == "gpt2-engine" for thread in threading.enumerate())

    modules = {name: module for name, module in sys.modules.items() if name.startswith("plugins.gpt2")}
    townhall = await start_townhall(GPT2Plugin)
    try:
        texts = []
        for _ in range(2):
            turn = await ada.type("/gpt2 prompt:My fellow citizens count:12 seed:3 temperature:0")
            assert await townhall.settled(turn, seconds=60) is None
            texts.append(turn.text)
            plugin = townhall.bot.plugins["gpt2"].plugin
            assert plugin is not None
            old: weakref.ref[Plugin] = weakref.ref(plugin)
            del plugin
            assert await townhall.bot.plugins.reload("gpt2") is None
            gc.collect()
            assert engines() == 1
            assert old() is None
        assert texts[0] == texts[1]
    finally:
        await townhall.stop()
        for name in [name for name in sys.modules if name.startswith("plugins.gpt2")]:
            del sys.modules[name]
        sys.modules.update(modules)  # other tests hold these classes, and find them by way of the package
        plugins.gpt2 = modules["plugins.gpt2"]
