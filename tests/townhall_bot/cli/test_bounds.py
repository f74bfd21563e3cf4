"""Every number on the command line has bounds: what is outside is refused at once, in one line that tells all."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from townhall_bot.cli import main
from townhall_bot.cli.bounded import Decimal, Whole
from townhall_bot.cli.parser import Parser

pytestmark = pytest.mark.usefixtures("elsewhere")

Output = pytest.CaptureFixture[str]
TEXTS = {"COMMAND", "DIR", "FILE", "FOLDER", "HOST", "M", "MODEL", "NAME", "PROMPT", "TEXT"}
"""What an option without a type may call its value. A number is no text: give it a ``Whole`` or ``Decimal``."""
READERS = {
    "--engines": ("0", "4-1", "1-1001", "many", "1-"),
    "--listen": ("127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:²"),
    "--router": ("ftp://house", "http://house:0", "http://house:65536"),
    "--url": ("ftp://house", "http://house:0", "http://:65536"),
}
"""Options that are read by a function of their own, and what is wrong with them."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> list[tuple[str, Parser]]:
    """All parsers by what is typed to get to them, as the completion's script is made from them."""
    seen: list[argparse.ArgumentParser] = []
    monkeypatch.setenv("TOWNHALL_PLUGINS", "ping,gpt2")

    def complete(parser: argparse.ArgumentParser, shell: str) -> str:
        seen.append(parser)
        return ""

    monkeypatch.setattr("shtab.complete", complete)
    assert main(["completion", "bash"]) == 0
    capsys.readouterr()
    return list(_below("", seen[0]))


def _below(words: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, Parser]]:
    if isinstance(parser, Parser):
        yield words.strip(), parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _below(f"{words} {name}", below)


def _options(commands: list[tuple[str, Parser]]) -> Iterator[tuple[str, Parser, argparse.Action]]:
    for words, parser in commands:
        for action in parser._actions:
            if action.nargs != 0 and not isinstance(action, argparse._SubParsersAction):
                yield words, parser, action


def _outside(kind: Whole | Decimal) -> Iterator[str]:
    least = (kind.high - kind.low) / 1e6
    yield from ("", "many", "nan", "inf", "-inf", "1e400", "0x1", "9" * 6000, "1,5x")
    if isinstance(kind, Whole):
        yield from (str(kind.low - 1), str(kind.high + 1), f"{kind.low}.5")
    else:
        yield from (repr(kind.low - least), repr(kind.high + least))
        yield from (repr(kind.low),) * kind.above


def _refused(parser: Parser, given: list[str], capsys: Output) -> str:
    with pytest.raises(SystemExit) as left:
        parser.parse_args(given)
    shown = capsys.readouterr()
    assert (left.value.code, shown.out) == (2, ""), given
    assert shown.err.count("\n") == 1, shown.err
    return shown.err


def test_every_number_has_bounds_that_its_help_tells_and_a_refusal_names(
    commands: list[tuple[str, Parser]], capsys: Output
) -> None:
    numbers = 0
    for words, parser, action in _options(commands):
        kind, name = action.type, (action.option_strings or [action.dest])[-1]
        if not isinstance(kind, Whole | Decimal):
            continue
        numbers += 1
        if action.metavar != "ID":  # which is copied from Discord, not thought of
            assert str(kind) in str(action.help), f"the help of {words} {name} does not say {kind}"
        for inside in {(kind.low + kind.high) // 2 or kind.high, kind.high}:
            assert getattr(parser.parse_known_args([f"{name}={inside}", *_needed(parser, name)])[0], action.dest)
        for value in _outside(kind):
            said = _refused(parser, [f"{name}={value}"], capsys)
            assert said.startswith(f"townhall {words}: argument {name}: {value[:40]!r}"[:-1]), said
            assert str(kind) in said
    assert numbers > 20


def _needed(parser: Parser, name: str) -> list[str]:
    """Return what has to be given besides."""
    given = []
    for action in parser._actions:
        if action.required and name not in action.option_strings:
            given += [f"{option}=1" for option in action.option_strings[:1]] or ["word"]
    return given


def test_what_is_no_number_has_choices_or_a_reader_or_is_a_text(
    commands: list[tuple[str, Parser]], capsys: Output
) -> None:
    """A new option that is none of these is to say what is allowed, as those do."""
    for words, parser, action in _options(commands):
        name = (action.option_strings or [action.dest])[-1]
        if action.choices is not None:
            given = [f"{name}=frob"] if action.option_strings else ["frob"]
            said = _refused(parser, given, capsys)
            assert "'frob'" in said
            assert all(str(choice) in said for choice in action.choices)
        elif name in READERS:
            for wrong in READERS[name]:
                assert wrong in _refused(parser, [f"{name}={wrong}"], capsys)
        elif not isinstance(action.type, Whole | Decimal):
            assert action.type in (None, Path), f"{words} {name} is read by {action.type}"
            assert (action.metavar or action.dest.upper()) in TEXTS, f"is {words} {name} a text?"


def test_a_number_with_a_comma_is_told_the_point() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape("'0,8' is not a number from 0 to 2; write 0.8")):
        Decimal(0, 2)("0,8")


def test_what_is_wrong_beside_a_command_is_told_in_a_line_too(capsys: Output) -> None:
    assert main(["--frob"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_host_that_is_none_is_not_blamed_on_the_port(capsys: Output) -> None:
    assert main(["local", "--no-browser", "--host", "300.1.1.1"]) == 1
    said = capsys.readouterr().err
    assert "300.1.1.1" in said
    assert "Leave --host out for this machine alone" in said
    assert "--port" not in said
