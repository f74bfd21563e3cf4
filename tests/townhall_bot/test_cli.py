"""The ``townhall`` command: what it offers, how it refuses, what it costs to ask for help."""

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from townhall_bot import lock, plugin_discovery
from townhall_bot.cli import main
from townhall_bot.loopback import Change, LoopbackDiscord, TownhallWorld, point_discord_at
from townhall_bot.plugin_discovery import gather
from townhall_bot.plugin_host import LoadedPlugin
from townhall_bot.plugins import CliCommand, Plugin
from townhall_bot.settings import Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and one for the data."""
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TOWNHALL_PLUGINS", "ping")
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*classes: type[Plugin]) -> None:
        def find(settings: Settings) -> list[LoadedPlugin]:
            return gather(classes)

        monkeypatch.setattr(plugin_discovery, "find_plugins", find)

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


def test_a_plugins_command_works_where_a_setting_of_another_part_is_wrong(
    installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(Tool)
    monkeypatch.setenv("TOWNHALL_LOG_LEVEL", "loud")
    assert main(["tool", "--status", "3"]) == 3


def test_run_without_a_token_says_where_to_get_one(capsys: Output) -> None:
    assert main(["run"]) == 2
    shown = capsys.readouterr().err
    assert "TOWNHALL_TOKEN" in shown
    assert "https://discord.com/developers/applications" in shown
    assert "townhall local" in shown


@pytest.mark.parametrize("command", [["run"], ["local", "--say", "/ping"]])
def test_wrong_settings_stop_the_start(command: list[str], capsys: Output, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TOWNHALL_LOG_LEVEL=loud\nTOWNHALL_PING_PUBLIC=perhaps\n")
    assert main(command) == 2
    shown = capsys.readouterr().err
    assert "TOWNHALL_LOG_LEVEL: 'loud'" in shown
    assert "TOWNHALL_PING_PUBLIC: 'perhaps'" in shown


def test_an_unknown_setting_is_warned_about(capsys: Output, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TOWNHALL_TOKKEN=abc\n")
    assert main(["run"]) == 2
    assert "TOWNHALL_TOKKEN is not a setting and has no effect. Did you mean TOWNHALL_TOKEN?" in capsys.readouterr().err


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


def test_run_with_a_token_that_discord_refuses_says_so(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "an old one")
    assert main(["run"]) == 1
    shown = capsys.readouterr().err
    assert "does not accept TOWNHALL_TOKEN" in shown
    assert "an old one" not in shown


def run_until_connected() -> int:
    """`townhall run`, told to stop as soon as it is connected; returns its exit status."""

    class StopWhenConnected(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("connected as"):
                os.kill(os.getpid(), signal.SIGTERM)

    handler = StopWhenConnected()
    logging.getLogger("townhall.bot").addHandler(handler)
    try:
        return main(["run"])
    finally:
        logging.getLogger("townhall.bot").removeHandler(handler)


def test_run_serves_until_it_is_told_to_stop(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    assert run_until_connected() == 0
    shown = capsys.readouterr().err
    assert "plugins running: ping" in shown
    assert "stopping" in shown
    assert [command.name for command in server_beside.commands] == ["ping", "privacy"]


def test_run_can_be_stopped_while_it_starts(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def stop(change: Change) -> None:
        if change.kind == "commands_registered":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    server_beside.world.subscribe(stop)
    assert main(["run"]) == 0
    assert "plugins running" not in capsys.readouterr().err


def test_run_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "any")
    monkeypatch.setattr("discord.http.Route.BASE", "http://127.0.0.1:9/api/v10")
    assert main(["run"]) == 1
    assert "Discord cannot be reached" in capsys.readouterr().err


def test_doctor_reports_and_fails_where_a_line_fails(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_HEALTH_PORT", "0")  # another Townhall of this machine may have the usual one
    assert main(["doctor"]) == 0
    assert "All " in capsys.readouterr().out
    monkeypatch.setenv("TOWNHALL_TOKEN", "no token at all")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  token" in shown
    assert "      cure: " in shown


def test_local_types_a_command_and_prints_the_answer_alone(capsys: Output) -> None:
    assert main(["local", "--say", "/ping"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Pong.")
    assert len(shown.out.splitlines()) == 1
    assert "the bot is ready" in shown.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--say", "/dance"], "no command /dance"), (["--say", "/ping", "--as", "stranger"], "Use Application Commands")],
)
def test_local_fails_where_the_command_is_refused(arguments: list[str], reason: str, capsys: Output) -> None:
    assert main(["local", *arguments]) == 1
    assert reason in capsys.readouterr().out


def test_local_knows_nobody_of_that_name(capsys: Output) -> None:
    assert main(["local", "--say", "/ping", "--as", "nobody"]) == 2
    assert "admin, ada, ben, stranger" in capsys.readouterr().err


def test_without_say_a_page_is_served_and_opened_until_ctrl_c(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []

    def visit(address: str) -> bool:
        with urllib.request.urlopen(address) as answer:
            pages.append(answer.read().decode())
        os.kill(os.getpid(), signal.SIGINT)
        return True

    monkeypatch.setattr("webbrowser.open", visit)
    monkeypatch.setenv("DISPLAY", ":0")
    assert main(["local"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Townhall is at http://127.0.0.1:")
    assert "the bot is there" in shown.err
    assert "WARNING" not in shown.err
    assert "<title>Townhall</title>" in pages[0]


def test_a_page_for_other_machines_warns_and_opens_no_browser_unasked(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(change: Change) -> None:
        if change.kind == "bot_connected":
            os.kill(os.getpid(), signal.SIGTERM)

    def familiar(server: LoopbackDiscord) -> TownhallWorld:
        server.world.subscribe(stop)
        return server.townhall()

    monkeypatch.setattr("townhall_bot.local.familiar_townhall", familiar)
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail("a browser was opened"))
    assert main(["local", "--no-browser", "--host", "0.0.0.0", "--as", "ben"]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip().endswith("&as=ben")
    assert "WARNING: --host 0.0.0.0 lets other machines reach this page" in shown.err


def test_a_page_on_a_port_that_is_taken_says_what_to_do(server_beside: LoopbackDiscord, capsys: Output) -> None:
    assert main(["local", "--no-browser", "--port", str(server_beside.port)]) == 1
    assert "Choose another with --port" in capsys.readouterr().err


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "townhall_bot", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"townhall {version('townhall-bot')}\n"


def test_run_says_who_holds_the_data_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "a.b.c")
    monkeypatch.setenv("TOWNHALL_LOCK_WAIT_S", "0")
    with lock.held(elsewhere / "data", 0):
        assert main(["run"]) == 1
    shown = capsys.readouterr().err
    assert f"process {os.getpid()}" in shown
    assert "TOWNHALL_DATA_DIR" in shown


def test_run_writes_json_lines_where_the_host_wants_them(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    monkeypatch.setenv("TOWNHALL_LOG_FORMAT", "JSON")
    assert run_until_connected() == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "stopping" in [line["message"] for line in lines]
