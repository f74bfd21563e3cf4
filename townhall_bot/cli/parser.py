"""How every command reads its arguments: both spellings of an option, and a word for what was mistyped."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from townhall_bot.cli.terminal import USAGE

_CHOICE = re.compile(r"invalid choice: '(?P<given>.*?)' \(choose from (?P<known>.*)\)")


class Parser(argparse.ArgumentParser):
    """An argument parser that takes ``--model_size`` for ``--model-size`` and says what a mistyped word may mean."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse as argparse does; exit with status 2 where a word means nothing to a command without subcommands."""
        args = None if args is None else self._hyphened(args)
        parsed, rest = super().parse_known_args(args, namespace)
        if rest and self._subparsers is None:
            self._refuse(rest[0])
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and, of several choices, which one was meant; exit with status 2."""
        if found := _CHOICE.search(message):
            known = found["known"].replace("'", "")
            near = did_you_mean(found["given"], known.split(", "))
            message = f"{message[: found.start()]}{found['given']!r} is none of {known}.{near}"
        if not message.startswith("the following arguments are required"):  # which a usage explains, and nothing else
            self.exit(USAGE, f"{self.prog}: {message}\n")
        super().error(message)

    def _hyphened(self, arguments: Sequence[str]) -> list[str]:
        """Spell options as they are known here; what follows a lone ``--`` stays."""
        given, end = list(arguments), len(arguments)
        end = given.index("--") if "--" in given else end
        for index, word in enumerate(given[:end]):
            name, equals, value = word.partition("=")
            hyphened = name.replace("_", "-")
            if name.startswith("--") and name not in self._option_string_actions and hyphened != name:
                given[index] = hyphened + equals + value
        return given

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            self.error(f"nothing is to stand at {word!r}. Words that belong together go into quotes.")
        name = word.partition("=")[0]
        near = did_you_mean(name, self._option_string_actions)
        if not near and not name.startswith("--") and any(not action.option_strings for action in self._actions):
            near = " What begins with - and is no option goes behind --, as the last."
        self.error(f"there is no option {name}.{near}")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return `` Did you mean …?`` where something known is near; else nothing."""
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""
