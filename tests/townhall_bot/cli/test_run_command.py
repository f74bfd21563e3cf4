"""``townhall run`` from a shell: until it is told to stop, and what it says where it cannot serve."""

import asyncio
import json
import logging
import os
import signal
import time
from pathlib import Path

import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.bot import Townhall
from townhall_bot.cli import main
from townhall_bot.discordpy import retries
from townhall_bot.discordpy.endpoints import pointed_at
from townhall_bot.loopback import Change, LoopbackDiscord
from townhall_bot.store import lock

pytestmark = pytest.mark.usefixtures("elsewhere")

Output = pytest.CaptureFixture[str]


def test_run_without_a_token_says_where_to_get_one(capsys: Output) -> None:
    assert main(["run"]) == 2
    shown = capsys.readouterr().err
    assert "TOWNHALL_TOKEN" in shown
    assert "`townhall setup` says where to get a token" in shown
    assert "townhall local" in shown


def test_an_unknown_setting_is_warned_about(capsys: Output, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TOWNHALL_TOKKEN=abc\n")
    assert main(["run"]) == 2
    assert "TOWNHALL_TOKKEN is not a setting and has no effect. Did you mean TOWNHALL_TOKEN?" in capsys.readouterr().err


def test_run_with_a_token_that_discord_refuses_says_so(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "an old one")
    assert main(["run"]) == 2
    shown = capsys.readouterr().err
    assert "does not accept TOWNHALL_TOKEN" in shown
    assert "an old one" not in shown


@pytest.fixture
def no_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the two seconds in which discord.py waits for one server more."""
    usual = Townhall.__init__.__kwdefaults__
    monkeypatch.setattr(Townhall.__init__, "__kwdefaults__", {**(usual or {}), "guild_ready_timeout": 0.02})


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


@pytest.mark.usefixtures("no_other_servers")
def test_run_serves_until_it_is_told_to_stop(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    assert run_until_connected() == 0
    shown = capsys.readouterr().err
    assert "plugins running: privacy, ping" in shown
    assert "stopping" in shown
    assert sorted(command.name for command in server_beside.commands) == ["ping", "privacy"]


@pytest.mark.usefixtures("no_other_servers")
def test_a_thread_that_hangs_does_not_keep_the_data_folder(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    free: list[bool] = []

    def hang() -> None:
        until = time.monotonic() + 5
        while lock.holder(elsewhere / "data") is not None and time.monotonic() < until:
            pass
        free.append(time.monotonic() < until)

    async def stop(plugin: PingPlugin) -> None:
        asyncio.get_running_loop().run_in_executor(None, hang)

    monkeypatch.setattr(PingPlugin, "stop", stop)
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    assert run_until_connected() == 0
    assert free == [True]


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
    monkeypatch.setattr(retries, "USUAL", retries.NO_RETRY)
    with pointed_at("http://127.0.0.1:9/api/v10"):
        assert main(["run"]) == 1
    assert "Discord cannot be reached" in capsys.readouterr().err


def test_run_says_who_holds_the_data_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "a.b.c")
    monkeypatch.setenv("TOWNHALL_LOCK_WAIT_S", "0")
    with lock.held(elsewhere / "data", 0):
        assert main(["run"]) == 1
    shown = capsys.readouterr().err
    assert f"process {os.getpid()}" in shown
    assert "TOWNHALL_DATA_DIR" in shown


@pytest.mark.usefixtures("no_other_servers")
def test_run_writes_json_lines_where_the_host_wants_them(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    monkeypatch.setenv("TOWNHALL_LOG_FORMAT", "JSON")
    assert run_until_connected() == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "stopping, on SIGTERM" in [line["message"] for line in lines]
