"""A copy of the database, made while the bot runs: whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from townhall_bot.machine.files import part_of, sync
from townhall_bot.store.schema import APPLICATION_ID, StoreError, told_of


def back_up(database: Path, target: Path) -> int:
    """Copy the database to ``target`` as it is at this moment; return the copy's size in bytes.

    Readers and writers go on meanwhile. ``target`` appears when the copy is complete, checked and on the disk; an
    older backup there is replaced. Raises :class:`StoreError` where there is no database, or ``target`` is a file of
    another kind. Blocks.
    """
    with told_of(database, writes=False):
        if not database.is_file():
            raise StoreError(
                f"there is no database at {database} yet", "Check TOWNHALL_DATA_DIR, or start the bot once."
            )
    with told_of(target, writes=False):
        if target.is_dir():
            raise StoreError(f"{target} is a folder", "Name a file for the backup.")
        if target.exists() and target.samefile(database):  # a running bot would go on writing to the file replaced here
            raise StoreError(f"{target} is the database itself", "Choose another name for the backup.")
        if target.exists() and not is_townhalls(target):
            raise StoreError(f"{target} is there and is no backup of Townhall's", "Choose another name.")
    with whole_copy(_in_use(database), database, target) as part:
        part.replace(target)
        sync(target.parent)
    return target.stat().st_size


@contextlib.contextmanager
def whole_copy(source: AbstractContextManager[sqlite3.Connection], database: Path, target: Path) -> Iterator[Path]:
    """Yield a copy of what ``source`` opens, the file ``database``: whole, checked, on the disk beside ``target``.

    It is for its owner alone, and goes where it is not moved away. Raises :class:`StoreError`.
    """
    with contextlib.ExitStack() as stack:
        try:
            part = stack.enter_context(part_of(target))
        except OSError as error:
            raise StoreError(
                f"{target.parent} takes no copy: {error.strerror}",
                "Choose a folder that is there and can be written to.",
            ) from error
        with source as original, contextlib.closing(sqlite3.connect(part)) as copy:
            try:
                original.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
                raise StoreError(f"the disk is full at {target.parent}", "Free space there.") from None
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(f"{database} is damaged: {found}", "Keep to an older backup; nothing was written.")
        sync(part)  # or a power cut could leave an empty backup
        yield part


@contextlib.contextmanager
def _in_use(database: Path) -> Iterator[sqlite3.Connection]:
    with told_of(database), contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
        yield connection


def is_townhalls(path: Path) -> bool:
    """Tell whether a file is a database of Townhall's, by its header alone."""
    with path.open("rb") as file:
        header = file.read(100)
    return header.startswith(b"SQLite format 3\0") and header[68:72] == APPLICATION_ID.to_bytes(4, "big")
