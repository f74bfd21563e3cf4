"""``townhall completion``: a script that lets a shell complete commands, options and file names.

The script is made once and holds all words, so that a press of Tab starts no Python; a new plugin wants a new one.
"""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from townhall_bot.cli.terminal import OK

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """where the script goes, for this user:
  bash   townhall completion bash > ~/.local/share/bash-completion/completions/townhall
  zsh    townhall completion zsh > ~/.zfunc/_townhall       (a folder of your fpath)
  fish   townhall completion fish > ~/.config/fish/completions/townhall.fish

Make the folder first where it is not there. Write the script again after installing a plugin that brings a command.
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Describe ``townhall completion``."""
    parser.description = "Print a script that lets your shell complete townhall's commands and options."
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete")


def completion(arguments: argparse.Namespace) -> int:
    """Print the script; return the exit status. ``whole_parser`` knows every command, the plugins' too."""
    import shtab

    parser: argparse.ArgumentParser = arguments.whole_parser
    _complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, shell=arguments.shell))
    return OK


def _complete_files(parser: argparse.ArgumentParser, files: Any) -> None:
    """Let arguments that are paths be completed by what is on the disk, in this command and those below it."""
    for action in parser._actions:  # argparse has no public way to them; shtab goes the same
        if action.type is Path:
            action.complete = files  # type: ignore[attr-defined]  # shtab's own attribute
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_files(below, files)
