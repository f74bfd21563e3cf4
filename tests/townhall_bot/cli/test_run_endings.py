"""``townhall run`` that Discord will not have: one line with the cure, and an exit status that a restart heeds."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from townhall_bot.cli import main
from townhall_bot.loopback import Change, LoopbackDiscord

pytestmark = pytest.mark.usefixtures("elsewhere")

Output = pytest.CaptureFixture[str]
PAGE = "<!doctype html><html><head><style>p{color:red}</style></head><body>" + "<p>error code: 1015</p>" * 400


@contextmanager
def closing_with(server: LoopbackDiscord, code: int) -> Iterator[None]:
    """Have the gateway close with ``code`` as soon as the bot is connected."""
    closing = set()

    def close(change: Change) -> None:
        if change.kind == "bot_connected":
            if code == 4004:
                server.world.application.token = "reset in the developer portal"
            closing.add(asyncio.get_running_loop().create_task(server.faults.drop_gateway(code)))

    end = server.world.subscribe(close)
    try:
        yield
    finally:
        end()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (4004, "no longer accepts TOWNHALL_TOKEN: it was reset while the bot ran. Reset it at"),
        (4010, "one of several shards"),
        (4011, "more servers than Discord allows one connection"),
        (4012, "no longer speaks the gateway's version"),
        (4013, "does not know the intents"),
        (4014, "refuses an intent"),
    ],
)
def test_a_close_that_is_final_is_one_line_and_no_case_for_a_restart(
    server_beside: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch, capsys: Output, code: int, said: str
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    with closing_with(server_beside, code):
        assert main(["run"]) == 2
    shown = capsys.readouterr().err
    assert said in shown.splitlines()[-1]
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("status", "expected", "said"),
    [
        (429, 1, "has shut out this machine's address for a while"),
        (403, 1, "refuses this machine"),
        (200, 1, "answered with a page and not as Discord does: error code: 1015"),
        (401, 2, "does not accept TOWNHALL_TOKEN"),
    ],
)
def test_a_login_that_meets_a_web_page_is_one_short_line(
    server_beside: LoopbackDiscord,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    status: int,
    expected: int,
    said: str,
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", server_beside.token)
    server_beside.faults.answer("GET", "/users/@me", status, times=99, body=PAGE)
    assert main(["run"]) == expected
    shown = capsys.readouterr().err
    assert said in shown.splitlines()[-1]
    assert "Traceback" not in shown
    assert max(map(len, shown.splitlines())) < 500
