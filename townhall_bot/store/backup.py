"""A copy of the database, made while the bot runs: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from townhall_bot.store.schema import APPLICATION_ID, StoreError, told_of


def back_up(database: Path, target: Path) -> int:
    """Copy the database to ``target`` as it is at this moment; return the copy's size in bytes.

    Readers and writers go on meanwhile. ``target`` appears when the copy is complete, checked and on the disk; an
    older backup there is replaced. Raises :class:`StoreError` where there is no database, or ``target`` is a file of
    another kind. Blocks.
    """
    if not database.is_file():
        raise StoreError(f"there is no database at {database} yet", "Check TOWNHALL_DATA_DIR, or start the bot once.")
    if target.is_dir():
        raise StoreError(f"{target} is a folder", "Name a file for the backup.")
    if target.exists() and target.samefile(database):  # a running bot would go on writing to the file replaced here
        raise StoreError(f"{target} is the database itself", "Choose another name for the backup.")
    if target.exists() and not is_townhalls(target):
        raise StoreError(f"{target} is there and is no backup of Townhall's", "Choose another name.")
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # nobody else's to read
    except OSError as error:
        raise StoreError(
            f"{target.parent} takes no backup: {error.strerror}", "Choose a folder that is there and can be written to."
        ) from error
    os.close(descriptor)
    part = Path(name)
    try:
        with (
            told_of(database),
            contextlib.closing(sqlite3.connect(database, timeout=10)) as source,
            contextlib.closing(sqlite3.connect(part)) as copy,
        ):
            try:
                source.backup(copy)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
                raise StoreError(
                    f"the disk is full at {target.parent}", "Free space, or name another folder."
                ) from None
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(f"{database} is damaged: {found}", "Keep an older backup; nothing was written.")
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def is_townhalls(path: Path) -> bool:
    """Tell whether a file is a database of Townhall's, by its header alone."""
    with path.open("rb") as file:
        header = file.read(100)
    return header.startswith(b"SQLite format 3\0") and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk: a power cut must not leave an empty backup."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
