"""What the commands share of the terminal: the exit statuses, and how they speak to the host beside their output."""

from __future__ import annotations

import sys

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


def note(text: str) -> None:
    """Tell the host something on standard error; standard output is for what was asked for."""
    print(f"townhall: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the command line speaks by printing
