"""What the bot must not forget, in one SQLite file. The only module that speaks SQL.

All SQL runs on one thread of its own, so the event loop never waits for the disk and no two writes mix. Every
change is one transaction, synced to disk before it is reported as done: a kill loses nothing that was confirmed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Json = Any
"""Whatever ``json.dumps`` takes."""

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
)
"""Each step takes the schema one version up. Never change a step that was released: add one."""


class StoreError(Exception):
    """The database cannot be used. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of a server's setting. ``old`` or ``new`` is None where the setting was not set."""

    at: datetime
    actor_id: int
    key: str
    old: Json
    new: Json


class Store:
    """The open database. :meth:`open` blocks for a moment; everything else is awaited."""

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self.path = path
        self._connection = connection
        self._thread = thread
        self._closed = False

    @classmethod
    def open(cls, path: Path | str) -> Store:
        """Open or create the database and bring its schema up to date; raise :class:`StoreError`."""
        path = Path(path)
        thread = ThreadPoolExecutor(1, thread_name_prefix="townhall-store")
        try:
            return cls(path, thread.submit(_connect, path).result(), thread)
        except BaseException:
            thread.shutdown()
            raise

    async def close(self) -> None:
        """Finish what was asked for and close the file. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
            self._thread.shutdown()

    async def damage(self) -> str:
        """Return what SQLite's own check finds wrong in the file; an empty string where it is sound."""
        rows = await self._run(lambda db: db.execute("PRAGMA quick_check(3)").fetchall())
        found = "; ".join(str(row[0]) for row in rows)
        return "" if found == "ok" else found

    def guild_settings(self, plugin: str) -> GuildSettings:
        """Return the part of the store that belongs to one plugin's per-server settings."""
        return GuildSettings(self, plugin)

    async def get_value(self, key: str, default: Json = None) -> Json:
        """Return one of the core's own values."""
        row = await self._run(lambda db: db.execute("SELECT value FROM core_value WHERE key = ?", (key,)).fetchone())
        return default if row is None else json.loads(row[0])

    async def values(self, prefix: str) -> dict[str, Json]:
        """Return the core's own values whose keys start with ``prefix``."""
        query = "SELECT key, value FROM core_value WHERE substr(key, 1, ?) = ? ORDER BY key"
        rows = await self._run(lambda db: db.execute(query, (len(prefix), prefix)).fetchall())
        return {key: json.loads(value) for key, value in rows}

    async def set_value(self, key: str, value: Json) -> None:
        """Keep one of the core's own values; None forgets it."""
        if value is None:
            await self._run(lambda db: db.execute("DELETE FROM core_value WHERE key = ?", (key,)))
            return
        text = json.dumps(value)
        upsert = "INSERT INTO core_value VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        await self._run(lambda db: db.execute(upsert, (key, text)))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as one transaction on the store's thread; raise :class:`StoreError` where SQLite fails."""
        if self._closed:
            raise StoreError(f"The database {self.path} is closed: the bot is stopping.")

        def transaction() -> T:
            with _told_of(self.path), _transaction(self._connection):
                return work(self._connection)

        # Shielded: whoever stops waiting (a cancelled command) must not leave a doubt about whether it was written.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, transaction))


class GuildSettings:
    """One plugin's settings per server, each change with a line in the audit trail. Values are JSON."""

    def __init__(self, store: Store, plugin: str) -> None:
        self._store = store
        self._plugin = plugin

    async def get(self, guild_id: int, key: str, default: Json = None) -> Json:
        """Return a setting, or ``default`` where the server never set it."""
        return await self._store._run(lambda db: _read(db, self._plugin, guild_id, key, default))

    async def all(self, guild_id: int) -> dict[str, Json]:
        """Return everything this server has set."""
        query = "SELECT key, value FROM guild_setting WHERE plugin = ? AND guild_id = ? ORDER BY key"
        rows = await self._store._run(lambda db: db.execute(query, (self._plugin, guild_id)).fetchall())
        return {key: json.loads(value) for key, value in rows}

    async def change(self, guild_id: int, key: str, value: Json, *, actor_id: int) -> Json:
        """Set ``key`` (None: back to the default), note who did it, and return the old value.

        Setting what is already there is no change and leaves no line in the audit trail.
        """

        def write(db: sqlite3.Connection) -> Json:
            old = _read(db, self._plugin, guild_id, key, None)
            if old != value:
                self._write(db, guild_id, key, old, value, actor_id)
            return old

        return await self._store._run(write)

    async def reset(self, guild_id: int, *, actor_id: int) -> dict[str, Json]:
        """Set everything of this server back to its default; return what was set. Each goes on the audit trail."""
        query = "SELECT key, value FROM guild_setting WHERE plugin = ? AND guild_id = ? ORDER BY key"

        def write(db: sqlite3.Connection) -> dict[str, Json]:
            old = {key: json.loads(value) for key, value in db.execute(query, (self._plugin, guild_id)).fetchall()}
            for key, value in old.items():
                self._write(db, guild_id, key, value, None, actor_id)
            return old

        return await self._store._run(write)

    async def audit(self, guild_id: int, limit: int = 20) -> list[AuditEntry]:
        """Return this server's latest changes, newest first."""
        query = (
            "SELECT at, actor_id, key, old, new FROM audit WHERE plugin = ? AND guild_id = ? ORDER BY id DESC LIMIT ?"
        )
        rows = await self._store._run(lambda db: db.execute(query, (self._plugin, guild_id, limit)).fetchall())
        return [
            AuditEntry(datetime.fromtimestamp(at, UTC), actor_id, key, _from_json(old), _from_json(new))
            for at, actor_id, key, old, new in rows
        ]

    def _write(self, db: sqlite3.Connection, guild_id: int, key: str, old: Json, new: Json, actor_id: int) -> None:
        where = (self._plugin, guild_id, key)
        if new is None:
            db.execute("DELETE FROM guild_setting WHERE plugin = ? AND guild_id = ? AND key = ?", where)
        else:
            upsert = """INSERT INTO guild_setting VALUES (?, ?, ?, ?)
                ON CONFLICT (plugin, guild_id, key) DO UPDATE SET value = excluded.value"""
            db.execute(upsert, (*where, json.dumps(new)))
        line = (time.time(), self._plugin, guild_id, actor_id, key, _to_json(old), _to_json(new))
        db.execute(
            "INSERT INTO audit (at, plugin, guild_id, actor_id, key, old, new) VALUES (?, ?, ?, ?, ?, ?, ?)", line
        )


def _read(db: sqlite3.Connection, plugin: str, guild_id: int, key: str, default: Json) -> Json:
    query = "SELECT value FROM guild_setting WHERE plugin = ? AND guild_id = ? AND key = ?"
    row = db.execute(query, (plugin, guild_id, key)).fetchone()
    return default if row is None else json.loads(row[0])


def _to_json(value: Json) -> str | None:
    return None if value is None else json.dumps(value)


def _from_json(text: str | None) -> Json:
    return None if text is None else json.loads(text)


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file on the calling thread, check that it is ours, and migrate it."""
    with _told_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # isolation_level None: transactions are begun by this module alone, never implicitly by the driver.
        # check_same_thread False: the thread that opened it is the pool's only one, but close() may run as it ends.
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        with _told_of(path):
            connection.execute("PRAGMA foreign_keys = ON")
            _check_owner(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL syncs the log at every commit: a setting that was confirmed survives a power cut, not just a kill.
            connection.execute("PRAGMA synchronous = FULL")
            _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_owner(path: Path, connection: sqlite3.Connection) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program. Set TOWNHALL_DATA_DIR to another folder.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer Townhall (schema {version}, this one knows {len(MIGRATIONS)}). "
            "Install that version again, or restore the backup from before the update."
        )


def _migrate(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextlib.contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a :class:`StoreError` with a cure."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{path} cannot be used: {error}. Check that the folder is writable, the disk has room, "
            "and no other program holds the file."
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path} is damaged or not a database: {error}. Restore a backup, or move the file away "
            "to start with empty settings."
        ) from error
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be created: {error.strerror}. Set TOWNHALL_DATA_DIR.") from error
