"""Going back to a backup: at every moment the database is the old one or the restored one, whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

from townhall_bot.machine.files import sync, write_atomically
from townhall_bot.store import lock
from townhall_bot.store.backup import is_townhalls, whole_copy
from townhall_bot.store.read_only import inspect, open_read_only
from townhall_bot.store.schema import StoreError, told_of

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    state: str
    """The restored schema in words, as :attr:`Inspection.state`."""
    kept: Path | None
    """Where the database from before is; None where there was none."""


def _now() -> datetime:
    return datetime.now(UTC)


def restore(backup: Path, database: Path, *, now: Callable[[], datetime] = _now) -> Restored:
    """Put a copy of ``backup`` in the place of ``database``, which is kept beside it under a dated name.

    Nothing changes where this raises: :class:`StoreError` for a backup or a folder that cannot be used,
    :class:`lock.Held` while a bot uses the database. Blocks.
    """
    database = database.resolve()
    with told_of(backup, writes=False):
        if not backup.is_file():
            raise StoreError(f"there is no file {backup}", "Name a backup that `townhall backup` made.")
        if not is_townhalls(backup):
            raise StoreError(f"{backup} is no backup of Townhall's", "Name one that `townhall backup` made.")
        if database.exists() and backup.samefile(database):
            raise StoreError(f"{backup} is the database itself", "Name a backup.")
    found = inspect(backup)
    if found.damage:
        raise StoreError(f"{backup} is damaged: {found.damage}", "Name another backup; nothing was changed.")
    with lock.held(database.parent, 0), whole_copy(open_read_only(backup), backup, database) as part, told_of(database):
        if os.geteuid() == 0:  # root restores for the bot's own user, who must be able to write there
            owner = (database if database.exists() else database.parent).stat()
            os.chown(part, owner.st_uid, owner.st_gid)
        kept = _keep(database, now())
        part.replace(database)
        sync(database.parent)
    return Restored(found.state, kept)


@contextlib.contextmanager
def spooled(stream: BinaryIO) -> Iterator[Path]:
    """Yield a file for the moment with what a stream brings: SQLite reads no pipe. Raises :class:`StoreError`."""
    with tempfile.NamedTemporaryFile(prefix="standard-input-") as file:
        path = Path(file.name)
        with told_of(path):
            shutil.copyfileobj(stream, file)
            file.flush()
        yield path


def _keep(database: Path, now: datetime) -> Path | None:
    """Give the database a second name, and take its log away: SQLite would write that into the restored one."""
    if database.exists():
        _take_in_log(database)
    log, index = (database.with_name(database.name + end) for end in ("-wal", "-shm"))
    kept = _unused(database, now)
    if log.exists():  # of a damaged database, or of one that is gone
        _name_also(log, kept.with_name(kept.name + "-wal"))
    if database.exists():
        _name_also(database, kept)
    sync(database.parent)
    log.unlink(missing_ok=True)
    index.unlink(missing_ok=True)
    return kept if kept.exists() else None


def _take_in_log(database: Path) -> None:
    """Write the log into the database, which leaves one file; one that is too damaged for that stays as it is."""
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in DAMAGED:
            raise


def _unused(database: Path, now: datetime) -> Path:
    stem = f"{database.stem}-{now:%Y-%m-%d-%H%M%S}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(path for name in names if not (path := database.with_name(name + database.suffix)).exists())


def _name_also(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except OSError:  # a file system without second names
        with path.open("rb") as file, write_atomically(other) as copy:
            shutil.copyfileobj(file, copy)
