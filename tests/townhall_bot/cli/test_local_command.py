"""``townhall local`` from a shell: one command and its answer, or a page until Ctrl-C."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from townhall_bot.cli import main
from townhall_bot.loopback import Change, LoopbackDiscord, TownhallWorld

pytestmark = pytest.mark.usefixtures("elsewhere")

Output = pytest.CaptureFixture[str]


def test_local_types_a_command_and_prints_the_answer_alone(capsys: Output) -> None:
    assert main(["local", "--say", "/ping"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Pong.")
    assert len(shown.out.splitlines()) == 1
    assert "the bot is ready" in shown.err


def test_local_may_be_started_as_often_as_one_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path))
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "sessions.json").write_text(json.dumps([time.time() - 60] * 12))
    assert main(["local", "--say", "/ping"]) == 0
    assert "many sessions were begun" not in capsys.readouterr().err


def test_local_logs_in_the_format_that_the_settings_say(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_LOG_FORMAT", "json")
    monkeypatch.setenv("TOWNHALL_LOG_LEVELL", "DEBUG")  # is logged as unknown
    assert main(["local", "--say", "/ping"]) == 0
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if not line.startswith("townhall: ")]
    assert any("TOWNHALL_LOG_LEVELL" in line["message"] for line in logged)


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

    monkeypatch.setattr("townhall_bot.cli.local.familiar_townhall", familiar)
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail("a browser was opened"))
    assert main(["local", "--no-browser", "--host", "0.0.0.0", "--as", "ben"]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip().endswith("&as=ben")
    assert "WARNING: --host 0.0.0.0 lets other machines reach this page" in shown.err


def test_one_command_on_a_port_that_is_taken_says_what_to_do(server_beside: LoopbackDiscord, capsys: Output) -> None:
    assert main(["local", "--say", "/ping", "--port", str(server_beside.port)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Choose another with --port" in shown.err


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
@pytest.mark.parametrize("what", [["--say", "/ping"], ["--no-browser"]])
def test_a_port_out_of_range_is_wrong_usage(port: str, what: list[str], capsys: Output) -> None:
    assert main(["local", *what, f"--port={port}"]) == 2
    assert f"argument --port: '{port}' is not a whole number from 0 to 65535" in capsys.readouterr().err


def test_a_page_on_a_port_that_is_taken_says_what_to_do(server_beside: LoopbackDiscord, capsys: Output) -> None:
    assert main(["local", "--no-browser", "--port", str(server_beside.port)]) == 1
    assert "Choose another with --port" in capsys.readouterr().err
