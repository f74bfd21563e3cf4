"""The commands about what the bot keeps: ``townhall backup`` and ``restore``.

Each imports what it needs when it runs, so that ``--help`` is there at once.
"""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from townhall_bot.cli.terminal import FAILED, OK, note
from townhall_bot.i18n.formatting import format_bytes


def backup_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall backup``."""
    parser.description = (
        "Copy settings, audit trail and statistics to a file. The bot may run meanwhile. `townhall restore` goes back."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; an older backup there is replaced")


def backup(arguments: argparse.Namespace) -> int:
    """Copy the database; return the exit status."""
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import database_in
    from townhall_bot.store.backup import back_up

    size = back_up(database_in(load_settings(Settings).data_dir), arguments.file)
    print(f"{arguments.file}: {format_bytes(size)}, complete and checked")
    return OK


def restore_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall restore``."""
    parser.description = (
        "Go back to a backup. Stop the bot before. The present database is kept beside the restored one."
    )
    parser.add_argument("file", metavar="FILE", help="what `townhall backup` wrote; - reads it from standard input")


def restore(arguments: argparse.Namespace) -> int:
    """Put a backup in the place of the database; return the exit status."""
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import database_in, lock
    from townhall_bot.store import restore as restoring

    database = database_in(load_settings(Settings).data_dir)
    source = restoring.spooled(sys.stdin.buffer) if arguments.file == "-" else nullcontext(Path(arguments.file))
    try:
        with source as backup:
            done = restoring.restore(backup, database)
    except lock.Held as error:
        note(str(error))
        return FAILED
    print(f"{database}: restored, {done.state}")
    if done.kept is not None:
        print(f"The one from before is kept as {done.kept}; remove it when all is well.")
    return OK
