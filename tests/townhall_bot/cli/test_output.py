"""Where the output is not UTF-8, full, closed, a pipe or a terminal: what is said, and never a traceback."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from townhall_bot.cli.output import visible

pytestmark = pytest.mark.usefixtures("elsewhere")

TEXT = "Grüße … \x1b]0;owned\x07 \u202eabc\u2066 \x9b31m \ud800 \U0001f600 a\rb"
PRINTS = f"""
import sys
from townhall_bot.cli import main, townhall
from townhall_bot.cli.terminal import note
from townhall_bot.plugins import CliCommand
def run(arguments):
    print({TEXT!a})
    note({TEXT!a})
    return 0
townhall.CORE_COMMANDS = [CliCommand("say", "", lambda parser: None, run)]
sys.exit(main(["say"]))
"""


def say(*, shell: str = "", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command that prints :data:`TEXT` and notes it, with ``shell`` after it."""
    command = ["sh", "-c", f'"$0" -c "$1" {shell}', sys.executable, PRINTS]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **settings})


def test_what_an_encoding_lacks_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    done = say(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.isascii(), done.stderr.isascii()) == (0, True, True)
    assert done.stdout.startswith(rb"Gr\u00fc\u00dfe ... ")
    assert rb"\ud83d\ude00" in done.stdout
    assert say(PYTHONIOENCODING="latin-1").stdout.startswith("Grüße ... ".encode("latin-1"))


def test_a_pipe_gets_what_was_written() -> None:
    done = say(PYTHONIOENCODING="utf-8")
    assert done.stdout.decode() == TEXT.replace("\ud800", r"\ud800") + "\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("shell", "why"),
    [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor"), ("<&- >&-", "Bad file descriptor")],
)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_an_output_that_takes_nothing_is_said_in_one_line(shell: str, why: str, buffered: str) -> None:
    done = say(shell=shell, PYTHONUNBUFFERED=buffered)
    assert done.returncode == 1
    *_, last = done.stderr.decode().splitlines()
    assert last == f"townhall: standard output cannot be written: {why}. What was to be shown there is not complete."
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("shell", ["2> /dev/full", "2>&-", "<&- 2>&-"])
def test_where_only_complaints_are_lost_the_work_is_done(shell: str) -> None:
    done = say(shell=shell, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith("Grüße …")


def test_a_limit_on_the_size_of_files_is_said(tmp_path: Path) -> None:
    command = ["sh", "-c", f'ulimit -f 1; "$0" -m townhall_bot --help > "{tmp_path}/shown"', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "standard output cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr


def on_terminal(program: str) -> str:
    """Run a program on a terminal of its own; return what that was sent."""
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 99))
    shown = b""
    with subprocess.Popen([sys.executable, "-c", program], stdout=terminal, stderr=terminal) as running:
        os.close(terminal)
        with contextlib.suppress(OSError):  # which is what a terminal without a program raises
            while True:
                shown += os.read(master, 4096)
    os.close(master)
    assert running.returncode == 0
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_is_shown_what_acts_on_it_escaped() -> None:
    said = on_terminal(PRINTS)
    assert said == f"{visible(TEXT)}\ntownhall: {visible(TEXT)}\n"
    assert re.findall(r"[^ -~\n…ü-üß\U0001f600]", said) == []


BAR = """bar = tqdm(total=2, file=sys.stderr, desc="wte\\x1b[31m\\rweight", mininterval=0)
    bar.update()
    bar.write("a notice", file=sys.stderr)
    bar.close()"""


def test_a_bar_draws_itself_anew_and_what_it_names_is_escaped() -> None:
    said = on_terminal("from tqdm import tqdm" + PRINTS.replace(f"note({TEXT!a})", BAR))
    assert r"wte\u001b[31m\u000dweight:  50%" in said
    assert "\ra notice\n" in said
    assert "\x1b" not in said


def test_what_is_visible_stays_and_what_acts_is_escaped_as_json_does() -> None:
    assert visible("Grüße\tan\n\U0001f600\r\n") == "Grüße\tan\n\U0001f600\n"
    assert visible("\x1b[2J\x07\x9b\x7f\u202e\r") == r"\u001b[2J\u0007\u009b\u007f\u202e\u000d"


COLOURED = """
from townhall_bot.cli.output import GREEN, bearing, write_coloured
bearing(lambda: write_coloured("ok\\x07", GREEN) or print() or 0)
"""


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"TERM": "xterm"}, "\x1b[32mok\\u0007\x1b[0m"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "ok\\u0007"),
        ({"TERM": "dumb"}, "ok\\u0007"),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    settings: dict[str, str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert on_terminal(COLOURED).strip() == shown


def test_a_pipe_gets_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ended = subprocess.run([sys.executable, "-c", COLOURED], capture_output=True, check=True, timeout=60)
    assert ended.stdout.strip() == b"ok\x07"
