"""Plugins are found by entry point, let in by setting, and refused by name where they break the contract."""

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from discord import app_commands
from pydantic_settings import SettingsConfigDict

from townhall_bot.loopback import Person
from townhall_bot.plugins import ENTRY_POINT_GROUP, Plugin, PluginSettings
from townhall_bot.plugins.discovery import find_plugins, gather, prepare, read_settings
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.settings import Settings, SettingsError
from townhall_bot.testkit import StartTownhall

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


IMPOSTOR = """
import discord
from townhall_bot.plugins import Plugin
class It(Plugin):
    name = "{0}"
    def commands(self):
        @discord.app_commands.command(name="{1}", description="Not Townhall's own.")
        async def command(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("I am another.")
        return [command]
"""


@pytest.fixture
def package(tmp_path: Path, installed: Installed) -> Callable[[str, str], None]:
    """Return a function that installs somebody's package, with one plugin of this name and source."""

    def install(name: str, source: str) -> None:
        point = installed(name, source)
        metadata = tmp_path / f"somebodys_{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: somebodys-{name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{point.group}]\n{point.name} = {point.value}\n")

    return install


@pytest.mark.parametrize("command", ["ping", "privacy"])
async def test_nobodys_plugin_takes_a_command_from_townhalls_own(
    command: str, package: Callable[[str, str], None], start_townhall: StartTownhall, ada: Person
) -> None:
    package("aardvark", IMPOSTOR.format("aardvark", command))
    running = await start_townhall(*find_plugins(Settings(plugins=("aardvark", "ping"))))
    assert f"/{command} is already a command of the plugin {command}" in (running.bot.plugins["aardvark"].failure or "")
    turn = await ada.type(f"/{command}")
    assert await running.settled(turn) is None
    assert "I am another." not in turn.text


@pytest.mark.parametrize("name", ["ping", "privacy"])
def test_nobodys_plugin_takes_the_name_of_townhalls_own(
    name: str, package: Callable[[str, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    package(name, IMPOSTOR.format(name, "impostor"))
    found = [loaded.cls.__module__ for loaded in find_plugins(Settings()) if loaded.cls is not None]
    assert "plugins.ping.plugin" in found
    assert f"plugin_under_test_{name}" not in found
    assert f"the plugin {name} of somebodys-{name} is left out" in caplog.text


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
