"""Where the log goes: one handler on standard error, set up once by the command line."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up(level: str, plugins: str | None = None) -> None:
    """Log Townhall at ``level``, its plugins' own messages at ``plugins`` if given, and the libraries' warnings.

    The libraries' own DEBUG is never on: discord.py's prints every payload, prompts among them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("townhall").setLevel(level)
    logging.getLogger("townhall.plugin").setLevel(plugins or level)
