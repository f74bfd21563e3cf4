"""The database file: its tables by version, how it is opened, and what is said when it cannot be used."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from townhall_bot.store.access import barrier
from townhall_bot.store.sums import bucket_of

DATABASE = "townhall.db"
APPLICATION_ID = 0x70776E68
"""Marks the file as Townhall's ("townhall" without its vowels, in part); ``file`` shows it."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE guild_setting (
            plugin TEXT NOT NULL, guild_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (plugin, guild_id, key)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE audit (
            id INTEGER PRIMARY KEY, at REAL NOT NULL, plugin TEXT NOT NULL, guild_id INTEGER NOT NULL,
            actor_id INTEGER NOT NULL, key TEXT NOT NULL, old TEXT, new TEXT) STRICT""",
        "CREATE INDEX audit_of_guild ON audit (plugin, guild_id, id)",
        "CREATE TABLE core_value (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        """CREATE TABLE record (
            id INTEGER PRIMARY KEY, at REAL NOT NULL, plugin TEXT NOT NULL, kind TEXT NOT NULL,
            guild_id INTEGER, user_id INTEGER, label TEXT NOT NULL, numbers TEXT NOT NULL) STRICT""",
        "CREATE INDEX record_of_kind ON record (plugin, kind, at)",
        "CREATE INDEX record_of_member ON record (plugin, user_id)",
        "CREATE INDEX record_by_age ON record (at)",
    ),
    (
        """CREATE TABLE entry (
            id INTEGER PRIMARY KEY, at REAL NOT NULL, plugin TEXT NOT NULL, kind TEXT NOT NULL,
            guild_id INTEGER, user_id INTEGER NOT NULL, entry TEXT NOT NULL) STRICT""",
        "CREATE INDEX entry_of_guild ON entry (plugin, kind, guild_id, at)",
        "CREATE INDEX entry_of_member ON entry (plugin, user_id)",
    ),
    (
        # What sums.py tells of. Records that name a member are not in them: nothing is left of who has them deleted.
        """CREATE TABLE record_sum (
            plugin TEXT NOT NULL, kind TEXT NOT NULL, hour INTEGER NOT NULL, label TEXT NOT NULL, name TEXT NOT NULL,
            bucket INTEGER NOT NULL, count INTEGER NOT NULL, total REAL NOT NULL, most REAL NOT NULL,
            PRIMARY KEY (plugin, kind, hour, label, name, bucket)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE record_count (
            plugin TEXT NOT NULL, kind TEXT NOT NULL, guild_id INTEGER NOT NULL, hour INTEGER NOT NULL,
            label TEXT NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (plugin, kind, guild_id, hour, label)) STRICT, WITHOUT ROWID""",
        "CREATE INDEX record_sum_by_age ON record_sum (hour)",
        "CREATE INDEX record_count_by_age ON record_count (hour)",
        """INSERT INTO record_sum
            SELECT plugin, kind, CAST(at / 3600 AS INTEGER), label, each.key, townhall_bucket(each.value),
                count(*), sum(CAST(each.value AS REAL)), max(CAST(each.value AS REAL))
            FROM record, json_each(numbers) AS each WHERE user_id IS NULL GROUP BY 1, 2, 3, 4, 5, 6""",
        """INSERT INTO record_count
            SELECT plugin, kind, COALESCE(guild_id, 0), CAST(at / 3600 AS INTEGER), label, count(*)
            FROM record WHERE user_id IS NULL GROUP BY 1, 2, 3, 4, 5""",
    ),
)
"""Each step takes the schema one version up. Never change a step that was released: add one."""


Kind = Literal["held", "full", "gone", "away", "doubt", "unusable"]
KINDS: dict[int, Kind] = {
    sqlite3.SQLITE_BUSY: "held",
    sqlite3.SQLITE_LOCKED: "held",
    sqlite3.SQLITE_FULL: "full",
}


class StoreError(Exception):
    """The database cannot be used: ``problem`` says why, ``cure`` what to do. The message is both, for the host.

    ``kind`` is the problem in a word, by which people in Discord are told.
    """

    def __init__(self, problem: str, cure: str, *, kind: Kind = "unusable") -> None:
        super().__init__(f"{problem}. {cure}")
        self.kind = kind
        self.problem = problem
        self.cure = cure


def database_in(data_dir: Path) -> Path:
    """Return where the database is in a data folder."""
    return data_dir / DATABASE


def connect(path: Path) -> sqlite3.Connection:
    """Open the file on the calling thread, check that it is ours, and migrate it."""
    with told_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # a new one is for its owner alone; SQLite gives its log the same rights
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # isolation_level None: transactions are begun by this module alone, never implicitly by the driver.
        # check_same_thread False: the thread that opened it is the pool's only one, but close() may run as it ends.
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        with told_of(path):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # what a member had deleted is not left in free pages
            check_owner(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL syncs the log at every commit: a setting that was confirmed survives a power cut, not just a kill.
            connection.execute("PRAGMA synchronous = FULL")
            _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a file that :func:`connect` has open, on the calling thread, for reading beside it."""
    with told_of(path):
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        with told_of(path):
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the file is opened by the first read
    except BaseException:
        connection.close()
        raise
    return connection


def check_owner(path: Path, connection: sqlite3.Connection) -> None:
    """Raise :class:`StoreError` where the file is another program's, or of a newer Townhall."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program", "Set TOWNHALL_DATA_DIR to another folder.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer Townhall (schema {version}, this one knows {len(MIGRATIONS)})",
            "Install that version again, or restore the backup from before the update.",
        )


def _migrate(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
        _check_writable(connection)
        return
    connection.create_function("townhall_bucket", 1, bucket_of, deterministic=True)
    with transaction(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _check_writable(connection: sqlite3.Connection) -> None:
    """Raise what SQLite says where the file cannot be written; that another program writes now is no such thing."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")  # as it is; a read-only file fails here only
        connection.rollback()
    except sqlite3.OperationalError as error:
        if _kind(error) != "held":
            raise


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, *, writes: bool = True) -> Iterator[None]:
    """Make what is done within one transaction: all of it, or where something is raised, none.

    What only reads sees one moment of the database, and needs no lock that a writer holds.
    """
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    try:
        yield
        connection.commit()
    except BaseException:
        # A commit that failed has left the transaction open, and none could be begun after it.
        with contextlib.suppress(sqlite3.Error):
            connection.rollback()
        raise


@contextlib.contextmanager
def told_of(path: Path, *, writes: bool = True) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a :class:`StoreError` with a cure.

    ``writes`` says whether the file is to be written to, or only read.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if in_the_way := barrier(path, writes=writes):
            raise StoreError(*in_the_way) from error
        raise StoreError(*_operational(path, error), kind=_kind(error)) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path} is damaged or not a database: {error}",
            "Restore a backup, or move the file away to start with empty settings.",
        ) from error
    except OSError as error:
        if isinstance(error, PermissionError) and (in_the_way := barrier(path, writes=writes)):
            raise StoreError(*in_the_way) from error
        kind: Kind = "full" if error.errno == errno.ENOSPC else "unusable"
        raise StoreError(f"{path.parent} cannot be used: {error.strerror}", cure_of(error), kind=kind) from error


def _kind(error: sqlite3.OperationalError) -> Kind:
    return KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "unusable")  # what Python itself raises has no code


def _operational(path: Path, error: sqlite3.OperationalError) -> tuple[str, str]:
    """Return the problem and the cure for what SQLite says of an operation."""
    match _kind(error):
        case "held":
            return f"another program holds {path}", "Find it with `fuser` or `lsof`, and let it finish or end it."
        case "full":
            return f"there is no room for {path}", "Free space on that disk; nothing need be started again."
    return (
        f"{path} cannot be used: {error}",
        "Check that the folder is writable, the disk has room, and no other program holds the file.",
    )


def cure_of(error: OSError) -> str:
    """Return what to do about a data folder that cannot be written."""
    if error.errno == errno.ENOSPC:
        return "Free space on that disk, or set TOWNHALL_DATA_DIR to a folder on another."
    return "Let this user write there, or set TOWNHALL_DATA_DIR to another folder."
