"""Plugins are found by entry point, let in by setting, and refused by name where they break the contract."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands
from pydantic_settings import SettingsConfigDict

from townhall_bot import plugin_host
from townhall_bot.plugin_host import LoadedPlugin, find_plugins, gather, prepare, read_settings
from townhall_bot.plugins import ENTRY_POINT_GROUP, Health, Plugin, PluginSettings
from townhall_bot.settings import Settings, SettingsError

Installed = Callable[[str, str], EntryPoint]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """Return a function that puts a module with this source where it can be imported, and its entry point."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def install(name: str, source: str) -> EntryPoint:
        module = f"plugin_under_test_{name}"
        made.append(module)
        (tmp_path / f"{module}.py").write_text(source)
        return EntryPoint(name, f"{module}:It", ENTRY_POINT_GROUP)

    yield install
    for module in made:
        sys.modules.pop(module, None)


GOOD = """
from townhall_bot.plugins import Plugin
class It(Plugin):
    name = "{}"
    def commands(self):
        return ()
"""


def named(plugins: Sequence[LoadedPlugin]) -> dict[str, str | None]:
    return {loaded.name: loaded.failure for loaded in plugins}


def test_the_installed_plugins_are_found() -> None:
    assert {"gpt2", "ping"} <= {loaded.name for loaded in find_plugins(Settings())}


def test_the_setting_lets_plugins_in_and_leaves_them_out(installed: Installed) -> None:
    points = [installed(name, GOOD.format(name)) for name in ("one", "two", "three")]
    assert named(find_plugins(Settings(), points)) == {"one": None, "three": None, "two": None}
    assert named(find_plugins(Settings(plugins=("two",)), points)) == {"two": None}
    assert named(find_plugins(Settings(plugins=("-two",)), points)) == {"one": None, "three": None}


def test_a_name_that_is_not_installed_stops_the_start_with_the_nearest_one(installed: Installed) -> None:
    points = [installed("polls", GOOD.format("polls"))]
    with pytest.raises(SettingsError, match=r"'pols', which is not installed. Did you mean polls\? Installed: polls"):
        find_plugins(Settings(plugins=("-pols",)), points)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no compiler')", "failed at import: RuntimeError: no compiler"),
        ("import sys; sys.exit(3)", "failed at import: SystemExit: 3"),
        ("import no_such_package_at_all", "No module named 'no_such_package_at_all'"),
        ("It = 5", "must name a class derived from townhall_bot.plugins.Plugin, not 5"),
        (GOOD.format("another"), "its class calls itself 'another'"),
    ],
)
def test_one_that_cannot_be_imported_fails_alone(
    installed: Installed, source: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken, good = find_plugins(Settings(), [installed("broken", source), installed("good", GOOD.format("good"))])
    assert reason in (broken.failure or "")
    assert good.failure is None
    assert "plugin broken failed at import" in caplog.text


class LampSettings(PluginSettings):
    model_config = SettingsConfigDict(env_prefix="TOWNHALL_LAMP_")

    watts: int = 40


class Lamp(Plugin):
    name = "lamp"

    settings_model = LampSettings

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        return ()


def test_settings_outside_the_plugins_own_prefix_are_refused() -> None:
    class Nosy(LampSettings):
        model_config = SettingsConfigDict(env_prefix="")

        home: str = ""

    class Thief(Lamp):
        settings_model = Nosy

    (loaded,) = gather([Thief])
    assert "its settings must start with TOWNHALL_LAMP_" in (loaded.failure or "")


def test_a_wrong_setting_is_the_plugins_own_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_LAMP_WATTS", "bright")
    (loaded,) = gather([Lamp])
    read_settings(loaded, None)
    assert "its settings: TOWNHALL_LAMP_WATTS: 'bright'" in (loaded.failure or "")


def test_before_a_start_every_wrong_setting_is_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_LOG_LEVEL", "loud")
    monkeypatch.setenv("TOWNHALL_PING_PUBLIC", "perhaps")
    with pytest.raises(SettingsError) as caught:
        prepare(None)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "TOWNHALL_LOG_LEVEL",
        "TOWNHALL_PING_PUBLIC",
    ]


def loaded(plugin: Plugin) -> LoadedPlugin:
    return LoadedPlugin(plugin.name, type(plugin), plugin=plugin)


class Moody(Lamp):
    def __init__(self) -> None:
        self.stopped = 0

    async def start(self) -> None:
        raise RuntimeError("not in the mood")

    async def stop(self) -> None:
        self.stopped += 1

    async def health(self) -> Health:
        raise RuntimeError("do not ask")


async def test_one_whose_start_fails_is_stopped_once(caplog: pytest.LogCaptureFixture) -> None:
    moody = Moody()
    it = loaded(moody)
    await plugin_host.start(it)
    await plugin_host.stop(it)
    assert it.failure == "failed at start(): RuntimeError: not in the mood"
    assert not it.running
    assert moody.stopped == 1
    assert "plugin lamp failed at start()" in caplog.text


async def test_one_whose_start_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Moody):
        async def start(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(plugin_host, "START_TIMEOUT", 0.01)
    it = loaded(Endless())
    await plugin_host.start(it)
    assert "task of the plugin's own" in (it.failure or "")


async def test_a_plugins_own_timeout_is_told_as_what_it_is() -> None:
    class Impatient(Moody):
        async def start(self) -> None:
            raise TimeoutError("the lamp did not answer")

    it = loaded(Impatient())
    await plugin_host.start(it)
    assert it.failure == "failed at start(): TimeoutError: the lamp did not answer"


async def test_one_that_cannot_say_how_it_is_is_not_well_and_runs_on(caplog: pytest.LogCaptureFixture) -> None:
    class Shy(Moody):
        async def start(self) -> None:
            pass

    it = loaded(Shy())
    await plugin_host.start(it)
    assert await plugin_host.health(it) == Health(False, "health() failed: RuntimeError: do not ask")
    assert it.running
    assert "plugin lamp failed at health()" in caplog.text


async def test_one_that_takes_too_long_to_say_so_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Moody):
        async def health(self) -> Health:
            await asyncio.Event().wait()
            return Health(True, "")

    monkeypatch.setattr(plugin_host, "HEALTH_TIMEOUT", 0.01)
    assert not (await plugin_host.health(loaded(Slow()))).ok


def commanding(name: str, *commands: Any) -> LoadedPlugin:
    return LoadedPlugin(name, commands=commands)


async def nothing(interaction: discord.Interaction) -> None:
    """Do nothing."""


async def on_message(interaction: discord.Interaction, message: discord.Message) -> None:
    """Do nothing."""


async def on_user(interaction: discord.Interaction, user: discord.Member) -> None:
    """Do nothing."""


def chat(name: str) -> app_commands.Command[Any, ..., Any]:
    return app_commands.Command(name=name, description="Do nothing.", callback=nothing)


def test_two_plugins_with_one_command_are_refused_naming_both() -> None:
    first, second, third = commanding("a", chat("ask")), commanding("b", chat("ask")), commanding("c", chat("other"))
    plugin_host.refuse_clashes([first, second, third])
    assert (first.failure, third.failure) == (None, None)
    assert "/ask is already a command of the plugin a" in (second.failure or "")
    assert "TOWNHALL_PLUGINS=-b" in (second.failure or "")


def test_a_menu_entry_and_a_command_may_share_a_name() -> None:
    on_messages = app_commands.ContextMenu(name="ask", callback=on_message)
    on_users = app_commands.ContextMenu(name="ask", callback=on_user)
    plugins = [commanding("a", chat("ask")), commanding("b", on_messages), commanding("c", on_users)]
    plugin_host.refuse_clashes(plugins)
    assert [plugin.failure for plugin in plugins] == [None, None, None]


def test_a_plugin_that_failed_holds_no_names() -> None:
    failed, good = commanding("a", chat("ask")), commanding("b", chat("ask"))
    failed.failure = "failed at start()"
    plugin_host.refuse_clashes([failed, good])
    assert good.failure is None
