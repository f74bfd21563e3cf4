from __future__ import annotations

import argparse
import subprocess
import sys

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


def test_arguments_are_read_before_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[argparse.Namespace] = []

    def told(options: argparse.Namespace) -> int:
        reached.append(options)
        return 3

    monkeypatch.setattr(generate, "run", told)
    assert run("gpt2", "--prompt", "Hello there, --count", "--count", "5", "--timing") == 3
    assert [(given.prompt, given.count, given.timing) for given in reached] == [("Hello there, --count", 5, True)]


def test_the_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "list") == 0
    assert "townhall-mini" in capsys.readouterr().out


def test_bringing_the_commands_imports_no_tinygrad() -> None:
    script = (
        "import sys; from plugins.gpt2.plugin import GPT2Plugin; GPT2Plugin.cli_commands(); "
        "sys.exit('tinygrad' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
