"""``townhall gpt2 --interactive``: one text after another with a model that stays loaded.

What is typed is kept by readline for the arrow keys, in memory alone: no file of prompts is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plugins.gpt2.cli.ctrl_c import CtrlC
from plugins.gpt2.cli.generate_options import NUMBERS, sampling_of
from plugins.gpt2.cli.report import summary
from plugins.gpt2.cli.writing import Growing, write
from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.protocol import GenerationRequest, InvalidRequest
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.parser import did_you_mean
from townhall_bot.cli.terminal import INTERRUPTED, OK, take_any_bytes, tell

if TYPE_CHECKING:
    from plugins.gpt2.model.gpt2 import GPT2

HELP = """Type a text and press Enter: it is continued. Then
  /continue       goes on from the text's end; Enter alone does the same
  /again          writes another continuation of the same
  /set            shows what can be set; /set temperature 0.5 sets it
  /quit           ends, as Ctrl-D does; Ctrl-C stops a text
A text that begins with / is typed as //."""
COMMANDS = ("/again", "/continue", "/exit", "/help", "/quit", "/set")


@dataclass(slots=True)
class _Asked:
    """The latest request: what it went on from, what came of it, and how often it was asked for again."""

    prompt: str
    text: str
    new_only: bool
    again: int = 0


class Session:
    """Reads lines from standard input until it ends; ``options`` are the command's, and change by ``/set``."""

    def __init__(self, model: GPT2, options: argparse.Namespace, settings: GPT2Settings, ctrl_c: CtrlC) -> None:
        self._scheduler, self._model = Scheduler(model), model.info.name
        self._options, self._settings, self._ctrl_c = options, settings, ctrl_c
        self._asked: _Asked | None = None
        self._typed = sys.stdin.isatty() and sys.stdout.isatty()

    def run(self, first: str | None) -> int:
        """Serve until /quit or the end of input; return the exit status. Raises EngineFailed, BrokenPipeError."""
        take_any_bytes()
        if self._typed:
            with contextlib.suppress(ImportError):  # a Python without it reads lines too
                import readline  # noqa: F401 - its import gives input() a history and editing
            tell("Type a text; /help says what else there is, Ctrl-D ends.")
        if first is not None:
            self._write(_Asked(first, "", new_only=False))
        while True:
            try:
                line = self._read()
            except KeyboardInterrupt:
                self._ctrl_c.forget()
                if not self._typed:
                    return INTERRUPTED
                tell("\nCtrl-D or /quit ends the session.")
                continue
            if line is None or line.strip() in ("/quit", "/exit"):
                return OK
            self._obey(line)

    def _read(self) -> str | None:
        """Return the next line, None where there are no more."""
        if not self._typed:
            line = sys.stdin.readline()
            return line.removesuffix("\n") if line else None
        try:
            return input("> ")
        except EOFError:
            tell("")
            return None

    def _obey(self, line: str) -> None:
        command, _, rest = line.strip().partition(" ")
        if not line.startswith("/") or line.startswith("//"):
            if line.strip():
                self._write(_Asked(line.removeprefix("/") if line.startswith("//") else line, "", new_only=False))
            else:
                self._continue()
        elif command == "/continue":
            self._continue()
        elif command == "/again":
            if self._asked is None:
                tell("There is no text yet; type one.")
            else:
                self._write(replace(self._asked, again=self._asked.again + 1))
        elif command == "/set":
            self._set(rest)
        else:
            if command != "/help":
                tell(f"There is no {command}.{did_you_mean(command, COMMANDS)}")
            tell(HELP)

    def _continue(self) -> None:
        if self._asked is None:
            tell("There is no text yet; type one.")
        else:
            self._write(_Asked(self._asked.text, "", new_only=True))

    def _write(self, asked: _Asked) -> None:
        sampling = sampling_of(self._options, self._settings)
        if sampling.seed is not None:
            sampling = replace(sampling, seed=sampling.seed + asked.again)
        request = GenerationRequest(
            asked.prompt,
            self._options.count,
            self._model,
            sampling,
            turns=tuple(self._options.turn),
            special_tokens=True,
        )
        out = Growing("" if asked.new_only else asked.prompt)
        try:
            written = write(self._scheduler, request, self._ctrl_c, out, timed=self._options.timing)
        except InvalidRequest as error:
            tell(str(error))
            return
        self._ctrl_c.forget()
        self._asked = replace(asked, text=written.text)
        if written.finished is not None and self._options.timing:
            tell(summary(written.finished.timing))

    def _set(self, what: str) -> None:
        """Set a number by name, or show all of them."""
        name, _, given = what.strip().partition(" ")
        name = name.replace("-", "_")
        if not name:
            tell("\n".join(f"  {known:<18} {self._shown(known)}" for known in NUMBERS))
            return
        if name not in NUMBERS:
            tell(f"There is no {name} to set.{did_you_mean(name, NUMBERS)} /set shows all.")
            return
        if not given.strip():
            tell(f"{name} is {self._shown(name)}")
            return
        try:
            value = None if given.strip() == "any" and name == "seed" else NUMBERS[name](given.strip())
        except argparse.ArgumentTypeError as error:
            tell(f"{name}: {error}. It stays {self._shown(name)}.")
        else:
            setattr(self._options, name, value)
            tell(f"{name} is {self._shown(name)}")

    def _shown(self, name: str) -> str:
        value = getattr(self._options, name)
        if value is not None:
            return f"{value:g}"
        return "any" if name == "seed" else str(sampling_of(self._options, self._settings).repetition_penalty)
