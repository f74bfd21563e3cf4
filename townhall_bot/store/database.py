"""The open database.

All SQL runs on threads of its own, so the event loop never waits for the disk and no two writes mix. Every change is
one transaction, synced to disk before it is reported as done: a kill loses nothing that was confirmed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from townhall_bot.store.connections import Connections
from townhall_bot.store.entries import Entries
from townhall_bot.store.guild_settings import GuildSettings, Json
from townhall_bot.store.records import Records
from townhall_bot.store.run import Database, lock, now
from townhall_bot.store.schema import StoreError, database_in
from townhall_bot.store.sums import HOUR_S

if TYPE_CHECKING:
    from townhall_bot.store.postgres import Postgres


LONGEST_LINE_S = 3600.0
"""A turn further off than this was not taken by this clock."""


class Store:
    """The open database. :meth:`open` blocks for a moment; everything else is awaited."""

    def __init__(self, connections: Connections | Postgres) -> None:
        self._db = connections

    @classmethod
    def open(cls, path: Path | str) -> Store:
        """Open or create the database and bring its schema up to date; raise :class:`StoreError`."""
        return cls(Connections.open(Path(path)))

    @classmethod
    def connect(cls, url: str) -> Store:
        """Open the database of a PostgreSQL server as :meth:`open` does; needs the extra ``[postgres]``."""
        from townhall_bot.store.postgres import Postgres

        return cls(Postgres.open(url))

    @classmethod
    def of(cls, url: SecretStr | None, data_dir: Path) -> Store:
        """Open what the host has set: PostgreSQL's ``url``, or the file in the data folder."""
        return cls.open(database_in(data_dir)) if url is None else cls.connect(url.get_secret_value())

    async def close(self) -> None:
        """Finish what was asked for and close the file. Closing twice is fine."""
        await self._db.close()

    @property
    def path(self) -> Path:
        """SQLite's file; raises :class:`StoreError` where the store is a server's."""
        if not isinstance(self._db, Connections):
            raise StoreError(f"the database {self._db.name} is no file", "Use PostgreSQL's own tools.")
        return self._db.path

    @property
    def failure(self) -> StoreError | None:
        """What keeps anything from being kept now, as far as is known; None where nothing does."""
        return self._db.failure

    async def try_again(self) -> None:
        """Where something keeps anything from being kept, see whether it still does; raise :class:`StoreError`."""

        def write(db: Database) -> None:
            db.execute("INSERT INTO core_value VALUES ('try', '1') ON CONFLICT (key) DO NOTHING")
            db.execute("DELETE FROM core_value WHERE key = 'try'")

        if self.failure is not None:
            await self._db.write(write)

    async def damage(self) -> str:
        """Return what SQLite's own check finds wrong in the file; an empty string where it is sound."""
        if not isinstance(self._db, Connections):
            return ""  # PostgreSQL checks its own pages
        rows = await self._db.read(lambda db: db.execute("PRAGMA quick_check(3)").fetchall())
        found = "; ".join(str(row[0]) for row in rows)
        return "" if found == "ok" else found

    def guild_settings(self, plugin: str) -> GuildSettings:
        """Return the part of the store that belongs to one plugin's per-server settings."""
        return GuildSettings(self._db, plugin)

    def records(self, plugin: str) -> Records:
        """Return the part of the store that belongs to what one plugin counts."""
        return Records(self._db, plugin)

    def entries(self, plugin: str) -> Entries:
        """Return the part of the store that belongs to what members give one plugin to keep."""
        return Entries(self._db, plugin)

    async def forget_records_before(self, at: float) -> int:
        """Delete every plugin's records that are older than ``at`` (Unix time); return how many there were."""

        def write(db: Database) -> int:
            for table in ("record_sum", "record_count"):
                db.execute(f"DELETE FROM {table} WHERE hour < ?", (int(at // HOUR_S),))
            return db.execute("DELETE FROM record WHERE at < ?", (at,)).rowcount

        return await self._db.write(write)

    async def take_turn(self, key: str, spacing_s: float) -> float:
        """Take the next turn of ``key``, at ``spacing_s`` from the one before, of whichever process on this database.

        Returns the seconds until it comes. One that is not used is lost.
        """

        def write(db: Database) -> float:
            lock(db, key)
            at = now(db)
            row = db.execute("SELECT value FROM core_value WHERE key = ?", (key,)).fetchone()
            free = float(json.loads(row[0])) if row else at
            mine = max(at, free) if free < at + LONGEST_LINE_S else at  # a clock that was set back keeps nobody waiting
            upsert = "INSERT INTO core_value VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            db.execute(upsert, (key, json.dumps(mine + spacing_s)))
            return mine - at

        return await self._db.write(write)

    async def get_value(self, key: str, default: Json = None) -> Json:
        """Return one of the core's own values."""
        row = await self._db.read(
            lambda db: db.execute("SELECT value FROM core_value WHERE key = ?", (key,)).fetchone()
        )
        return default if row is None else json.loads(row[0])

    async def values(self, prefix: str) -> dict[str, Json]:
        """Return the core's own values whose keys start with ``prefix``."""
        query = "SELECT key, value FROM core_value WHERE substr(key, 1, ?) = ? ORDER BY key"
        rows = await self._db.read(lambda db: db.execute(query, (len(prefix), prefix)).fetchall())
        return {key: json.loads(value) for key, value in rows}

    async def set_value(self, key: str, value: Json) -> None:
        """Keep one of the core's own values; None forgets it."""
        if value is None:
            await self._db.write(lambda db: db.execute("DELETE FROM core_value WHERE key = ?", (key,)))
            return
        text = json.dumps(value)
        upsert = "INSERT INTO core_value VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        await self._db.write(lambda db: db.execute(upsert, (key, text)))
