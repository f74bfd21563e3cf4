"""Where the log goes: one handler on standard error, set up once by the command line."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up(level: str) -> None:
    """Log Townhall at ``level`` and the libraries at no less than warnings (at DEBUG: information).

    The libraries' own DEBUG is never on: discord.py's prints every payload, prompts among them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO if level == "DEBUG" else max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("townhall").setLevel(level)
