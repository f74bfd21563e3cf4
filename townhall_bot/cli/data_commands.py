"""The commands about what the bot keeps: ``townhall backup`` and ``restore``.

Each imports what it needs when it runs, so that ``--help`` is there at once.
"""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from townhall_bot.cli.terminal import FAILED, OK, USAGE, note
from townhall_bot.i18n.formatting import format_bytes

SERVERS_OWN = (
    "TOWNHALL_DATABASE names a PostgreSQL server: back it up with pg_dump and restore with pg_restore "
    "(docs/operating.md), or unset it to do that with the file in the data folder."
)


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

    settings = load_settings(Settings)
    if settings.database is not None:
        note(SERVERS_OWN)
        return USAGE
    size = back_up(database_in(settings.data_dir), arguments.file)
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

    settings = load_settings(Settings)
    if settings.database is not None:
        note(SERVERS_OWN)
        return USAGE
    database = database_in(settings.data_dir)
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


def copy_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall copy-database``."""
    parser.description = (
        "Copy all that the file in the data folder holds into the empty database that TOWNHALL_DATABASE names. "
        "Stop the bot before. The file stays as it is."
    )


def copy_database(arguments: argparse.Namespace) -> int:
    """Copy from SQLite to PostgreSQL; return the exit status."""
    from townhall_bot.settings import Settings, load_settings
    from townhall_bot.store import database_in, lock
    from townhall_bot.store.copying import copy

    settings = load_settings(Settings)
    if settings.database is None:
        note(
            "TOWNHALL_DATABASE is not set: it says where to, postgresql://host/name, "
            "with user:password@ before the host."
        )
        return USAGE
    try:
        with lock.held(settings.data_dir, 0):
            copied = copy(database_in(settings.data_dir), settings.database.get_secret_value())
    except lock.Held as error:
        note(str(error))
        return FAILED
    for table, rows in copied.items():
        print(f"{table}: {rows}")
    print("All was copied in one transaction. The bot uses PostgreSQL from its next start on.")
    return OK
