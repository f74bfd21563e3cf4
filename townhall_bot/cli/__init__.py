"""The ``townhall`` command and the core's own commands below it."""

from townhall_bot.cli.townhall import main

__all__ = ["main"]
