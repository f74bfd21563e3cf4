"""Completion, as a shell does it: bash with the script that the command prints; the others' scripts name the words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from townhall_bot.cli import main

pytestmark = pytest.mark.usefixtures("elsewhere")

PRESS_TAB = """
source ./script
COMP_WORDS=($WORDS "$LAST"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
eval "$(complete -p townhall | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" townhall "$LAST" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "last", "offered"),
    [
        ("townhall", "lo", "local"),
        ("townhall", "new", "new-plugin"),
        ("townhall local", "--we", "--weather-seed"),
        ("townhall local --weather", "st", "storm"),
        ("townhall backup", "some", "somewhere.db"),
    ],
)
def test_bash_offers_commands_options_choices_and_files(
    words: str, last: str, offered: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    (elsewhere / "script").write_text(capsys.readouterr().out)
    (elsewhere / "somewhere.db").touch()
    environment = {"WORDS": words, "LAST": last, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", PRESS_TAB], capture_output=True, text=True, env=environment, check=True)
    assert offered in done.stdout.split(), done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_have_scripts_with_every_command_and_what_it_does(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("new-plugin", "completion", "weather-seed", "Print a script that lets your shell"):
        assert word in script
    assert script.startswith("#compdef townhall") or shell == "fish"


def test_a_mistyped_command_is_told_what_it_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docotr"]) == 2
    assert "there is no command 'docotr'. Did you mean doctor?" in capsys.readouterr().err
