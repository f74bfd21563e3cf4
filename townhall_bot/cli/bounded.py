"""Numbers on the command line: an option's ``type`` says what is allowed, and what is not is refused in one line.

``parser.add_argument("--batch", type=Whole(1, 256))`` refuses ``--batch 0`` with the option, the value and the bounds,
before anything is loaded. ``tests/townhall_bot/cli/test_bounds.py`` walks all commands and holds every number to that.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass

SHOWN = 40
"""The most characters of a wrong value that an error repeats."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Reads a whole number of ``low`` to ``high``, both ends included."""

    low: int
    high: int

    def __call__(self, text: str) -> int:
        """Return the number. Raises argparse.ArgumentTypeError."""
        try:
            number = int(text)
        except ValueError:  # of a text that is none, or of more digits than Python reads
            raise _refusal(text, f"a whole number from {self}") from None
        if not self.low <= number <= self.high:
            raise _refusal(text, f"a whole number from {self}")
        return number

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Decimal:
    """Reads a finite number of ``low`` to ``high``, both ends included, but ``low`` itself where it is ``above``."""

    low: float
    high: float
    above: bool = False

    def __call__(self, text: str) -> float:
        """Return the number. Raises argparse.ArgumentTypeError."""
        allowed = f"a number {self}" if self.above else f"a number from {self}"
        try:
            number = float(text)
        except ValueError:
            raise _refusal(text, allowed, _with_a_point(text)) from None
        if not (math.isfinite(number) and self.low <= number <= self.high) or (self.above and number == self.low):
            raise _refusal(text, allowed)
        return number

    def __str__(self) -> str:
        low, high = f"{self.low:.16g}", f"{self.high:.16g}"
        return f"above {low}, at most {high}" if self.above else f"{low} to {high}"


PORT = Whole(0, 65535)
"""A port to listen on; 0 is any free one."""
SNOWFLAKE = Whole(0, 2**63 - 1)
"""An id of Discord's, as databases hold it."""


def shown(text: str) -> str:
    """Return a wrong value in quotes, in one line, of a length that leaves room for what is right."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _refusal(text: str, allowed: str, hint: str = "") -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{shown(text)} is not {allowed}{hint}")


def _with_a_point(text: str) -> str:
    """Return a hint for who writes 0,8 as German and others do; else nothing."""
    return f"; write {text.replace(',', '.')}" if re.fullmatch(r"\d{0,9},\d{1,9}", text) else ""
