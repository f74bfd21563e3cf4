"""``townhall gpt2`` as a whole program, over pipes and at a terminal: the text grows, a session bears Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

GPT2 = [sys.executable, "-m", "townhall_bot", "gpt2", "--seed", "3"]
PATIENCE = 30


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TOWNHALL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(tmp_path)


def piped(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GPT2, *arguments], input=typed, capture_output=True, text=True, timeout=PATIENCE)


class Terminal:
    """A terminal with the program in it: what it shows, and a keyboard."""

    def __init__(self, screen: int) -> None:
        self._screen, self.shown = screen, ""

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def see(self, pattern: str) -> str:
        """Wait until it shows something; return all that was shown until then, and forget it."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.shown)):
            assert select.select([self._screen], [], [], until - time.monotonic())[0], self.shown
            try:
                self.shown += os.read(self._screen, 4096).decode(errors="replace")
            except OSError:  # the program is gone
                raise AssertionError(self.shown) from None
        seen, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return seen


@contextlib.contextmanager
def terminal(*arguments: str) -> Iterator[tuple[Terminal, int]]:
    pid, screen = pty.fork()
    if pid == 0:
        os.execv(GPT2[0], [*GPT2, *arguments])
    try:
        termios.tcsetwinsize(screen, (24, 100))
        yield Terminal(screen), pid
    finally:
        os.close(screen)  # hangs up, which ends what still runs
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_pipe_gets_the_text_as_it_grows_and_no_bars() -> None:
    with subprocess.Popen(
        [*GPT2, "The king", "--count", "400", "--temperature", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        first = os.read(program.stdout.fileno(), 100_000)
        rest = program.stdout.read()
        told = program.stderr.read().decode()
    assert first.decode().startswith("The king")
    assert len(rest) > 3 * len(first)
    assert (first + rest).decode().endswith("\n")
    assert "\r" not in told
    assert "it/s" not in told


def test_a_prompt_comes_from_standard_input_and_options_have_both_spellings() -> None:
    greedy = ("--count", "5", "--temperature", "0")
    one = piped("-", *greedy, "--model_size", "townhall-mini", typed="The king\n")
    other = piped("--prompt", "The king", *greedy, "--model-size=townhall-mini")
    assert one.stdout == other.stdout
    assert one.stdout.startswith("The king ")


def test_a_session_over_a_pipe_writes_goes_on_and_sets() -> None:
    typed = (
        "The king\n\n/again\n/set temprature 1\n/set temperature 9\n/set temperature\n/set temperature 0\n/agian\n//x\n"
    )
    done = piped("--interactive", "--count", "6", typed=typed)
    assert done.returncode == 0, done.stderr
    texts = done.stdout.splitlines()
    assert texts[0].startswith("The king")
    assert texts[-1].startswith("/x")
    assert "no temprature to set. Did you mean temperature?" in done.stderr
    assert "temperature: '9' is not a number from 0 to 2. It stays 0.8." in done.stderr
    assert "temperature is 0.8\n" in done.stderr
    assert "temperature is 0\n" in done.stderr
    assert "There is no /agian. Did you mean /again?" in done.stderr


def test_a_session_at_a_terminal_recalls_what_was_typed_and_ctrl_c_stops_a_text_alone() -> None:
    with terminal("--interactive", "--count", "500", "--temperature", "1") as (screen, pid):
        screen.see(r"ram used: +[\d.]+ MB")
        screen.see("> ")
        screen.type("The king\n")
        screen.see(r"The king\s+The king \w+")  # as it was typed, and as the text begins
        screen.type("\x03")
        screen.see("> ")
        screen.type("/set count 4\n")
        screen.see("count is 4")
        screen.see("> ")
        screen.type("\x1b[A\x1b[A\n")  # the line before the last
        screen.see(r"The king\s+The king \w+")
        screen.see("> ")
        screen.type("\x04")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_mistyped_setting_is_told_and_the_text_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_GPT2_TMEPERATURE", "0")
    done = piped("The king", "--count", "3")
    assert done.returncode == 0
    assert done.stdout.startswith("The king")
    assert "townhall gpt2: TOWNHALL_GPT2_TMEPERATURE is not a setting and has no effect. Did you mean " in done.stderr


def test_times_come_behind_a_text_that_goes_to_the_same_place() -> None:
    command = [*GPT2, "The king", "--count", "4", "--temperature", "0", "--timing"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
    lines = done.stdout.splitlines()
    text = next(number for number, line in enumerate(lines) if line.startswith("The king "))
    assert "token" not in lines[text]
    assert [line[:10] for line in lines[text + 1 : text + 5]] == [f"token    {number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--coutn", "4"], "there is no option --coutn. Did you mean --count?"),
        (["Once", "upon"], "nothing is to stand at 'upon'. Words that belong together go into quotes."),
        (["a", "--prompt", "b"], "there are two prompts"),
        (["--interactive", "--json"], "--json is for one text"),
        (["--weights", "int9"], "'int9' is none of fp32, fp16, bf16, int8, int4. Did you mean int8?"),
        (
            ["-x"],
            "there is no option -x. What begins with - and is no option goes behind --, as the last",
        ),
    ],
)
def test_what_was_mistyped_is_named_with_what_was_meant(arguments: list[str], said: str) -> None:
    done = piped(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
