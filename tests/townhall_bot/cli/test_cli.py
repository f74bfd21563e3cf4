"""The ``townhall`` command: what it offers, how it refuses, what it costs to ask for help, what plugins add."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from townhall_bot.cli import main
from townhall_bot.plugins import CliCommand, Plugin, discovery
from townhall_bot.plugins.discovery import gather
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.settings import Settings

pytestmark = pytest.mark.usefixtures("elsewhere")

Output = pytest.CaptureFixture[str]


def test_the_version_is_the_packages(capsys: Output) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"townhall {version('townhall-bot')}\n"


def test_help_shows_commands_and_examples(capsys: Output) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("run", "local", "doctor", "examples:", "--say"))


def test_without_a_command_help_is_shown_and_the_status_says_wrong_usage(capsys: Output) -> None:
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


def test_help_is_a_word_too_as_people_type_it(capsys: Output) -> None:
    assert main(["help"]) == 0
    assert "examples:" in capsys.readouterr().out
    assert main(["help", "backup"]) == 0
    assert capsys.readouterr().out.startswith("usage: townhall backup ")
    assert main(["-V"]) == 0


def test_what_is_none_of_the_choices_is_told_them_in_a_sentence(capsys: Output) -> None:
    assert main(["local", "--weather", "strom"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "townhall local: argument --weather: 'strom' is none of calm, drizzle, storm. Did you mean storm?\n"
    )


def test_an_example_with_a_password_survives_that_passwords_are_masked(capsys: Output) -> None:
    assert main(["copy-database"]) == 2
    assert "postgresql://host/name, with user:password@ before the host" in capsys.readouterr().err


def test_an_unknown_command_is_wrong_usage(capsys: Output) -> None:
    assert main(["dance"]) == 2
    assert "dance" in capsys.readouterr().err


def test_help_is_there_without_loading_a_model_or_a_local_discord() -> None:
    program = """
import sys
from townhall_bot.cli import main
main(["--help"])
print(sorted({"tinygrad", "aiohttp.web", "townhall_bot.loopback"} & sys.modules.keys()))
main(["run", "--help"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "[]\n" in done.stdout


@pytest.mark.parametrize("command", ["run", "setup", "backup"])
def test_the_cores_own_commands_are_there_without_loading_discord(command: str) -> None:
    program = f"""
import sys
from townhall_bot.cli import main
main([{command!r}, "--help"])
print("discord" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nFalse\n")


@pytest.mark.parametrize("arguments", [["--help"], ["new-plugin", "dice"]])
@pytest.mark.parametrize("buffered", [True, False])
def test_who_stops_reading_is_not_shown_a_traceback(
    arguments: list[str], buffered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "" if buffered else "1")
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` has, when it has read enough
    with os.fdopen(writing, "wb") as nobody:
        command = [sys.executable, "-m", "townhall_bot", *arguments]
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode in (0, 1)  # (argparse itself ignores it where nothing is buffered)


class Tool(Plugin):
    name = "tool"

    def commands(self) -> Sequence[Any]:
        return ()

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        def configure(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--status", type=int)

        return [CliCommand("tool", "do what the tool does", configure, lambda arguments: int(arguments.status))]


class Greedy(Tool):
    name = "greedy"

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        return [CliCommand("run", "take over", lambda parser: None, lambda arguments: 0)]


class Clumsy(Tool):
    name = "clumsy"

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        def stumble(arguments: argparse.Namespace) -> int:
            raise LookupError("no such\nstair")

        def leave(arguments: argparse.Namespace) -> int:
            sys.exit("the stairs are closed")

        return [
            CliCommand("stumble", "fall", lambda parser: None, stumble),
            CliCommand("leave", "go away", lambda parser: None, leave),
        ]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*classes: type[Plugin]) -> None:
        def find(settings: Settings) -> list[LoadedPlugin]:
            return gather(classes)

        monkeypatch.setattr(discovery, "find_plugins", find)

    return install


def test_a_plugin_brings_a_command(installed: Callable[..., None], capsys: Output) -> None:
    installed(Tool)
    assert main(["tool", "--status", "7"]) == 7
    assert main(["--help"]) == 0
    assert "do what the tool does" in capsys.readouterr().out


def test_a_plugin_cannot_take_over_a_command_and_the_others_bring_theirs(
    installed: Callable[..., None], capsys: Output
) -> None:
    installed(Greedy, Tool)
    assert main(["tool", "--status", "0"]) == 0
    assert "plugin greedy failed at cli_commands()" in capsys.readouterr().err


def test_a_plugins_command_that_fails_is_named_in_one_line(installed: Callable[..., None], capsys: Output) -> None:
    installed(Clumsy)
    assert main(["stumble"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("townhall: plugin clumsy failed at `townhall stumble`: LookupError: no such stair.")
    assert len(told.splitlines()) == 1


def test_the_host_may_see_where_a_plugins_command_failed(
    installed: Callable[..., None], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(Clumsy)
    monkeypatch.setenv("TOWNHALL_LOG_LEVEL", "DEBUG")
    assert main(["stumble"]) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "in stumble" in told
    assert told.splitlines()[-1] == "townhall: plugin clumsy failed at `townhall stumble`: LookupError: no such stair."


def test_a_plugins_command_may_exit_with_its_last_words(installed: Callable[..., None], capsys: Output) -> None:
    installed(Clumsy)
    assert main(["leave"]) == 1
    assert capsys.readouterr().err == "townhall: the stairs are closed\n"


def test_a_plugins_command_works_where_a_setting_of_another_part_is_wrong(
    installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(Tool)
    monkeypatch.setenv("TOWNHALL_LOG_LEVEL", "loud")
    assert main(["tool", "--status", "3"]) == 3


@pytest.mark.parametrize("command", [["run"], ["local", "--say", "/ping"]])
def test_wrong_settings_stop_the_start(command: list[str], capsys: Output, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TOWNHALL_LOG_LEVEL=loud\nTOWNHALL_PING_PUBLIC=perhaps\n")
    assert main(command) == 2
    shown = capsys.readouterr().err
    assert "TOWNHALL_LOG_LEVEL: 'loud'" in shown
    assert "TOWNHALL_PING_PUBLIC: 'perhaps'" in shown


def test_doctor_reports_and_fails_where_a_line_fails(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_HEALTH_PORT", "0")  # another Townhall of this machine may have the usual one
    assert main(["doctor"]) == 0
    assert "All " in capsys.readouterr().out
    monkeypatch.setenv("TOWNHALL_TOKEN", "no token at all")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  token" in shown
    assert "      cure: " in shown


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "townhall_bot", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"townhall {version('townhall-bot')}\n"
