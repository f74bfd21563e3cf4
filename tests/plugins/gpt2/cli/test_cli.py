from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

import pytest

from plugins.gpt2.cli import generate
from plugins.gpt2.plugin import GPT2Plugin


def run(*arguments: str) -> int:
    """Do what ``townhall`` does with the plugin's commands."""
    parser = argparse.ArgumentParser(prog="townhall")
    parser.add_argument("--version", action="version", version="1")
    commands = parser.add_subparsers(required=True)
    for command in GPT2Plugin.cli_commands():
        own = commands.add_parser(command.name, help=command.help)
        command.configure(own)
        own.set_defaults(run=command.run)
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status


def test_every_argument_reaches_the_models_own_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    def main(arguments: Sequence[str]) -> int:
        reached.extend(arguments)
        return 3

    monkeypatch.setattr(generate, "main", main)
    given = ["--prompt", "Hello there, --count", "--count", "5", "--timing", "--help"]
    assert run("gpt2", *given) == 3
    assert reached == given


def test_the_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "list") == 0
    assert "townhall-mini" in capsys.readouterr().out


def test_bringing_the_commands_imports_no_tinygrad() -> None:
    script = (
        "import sys; from plugins.gpt2.plugin import GPT2Plugin; GPT2Plugin.cli_commands(); "
        "sys.exit('tinygrad' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
