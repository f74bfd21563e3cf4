"""The open database.

All SQL runs on one thread of its own, so the event loop never waits for the disk and no two writes mix. Every
change is one transaction, synced to disk before it is reported as done: a kill loses nothing that was confirmed.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from townhall_bot.store.entries import Entries
from townhall_bot.store.guild_settings import GuildSettings, Json
from townhall_bot.store.records import Records
from townhall_bot.store.schema import StoreError, connect, told_of, transaction

T = TypeVar("T")


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
            return cls(path, thread.submit(connect, path).result(), thread)
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
        return GuildSettings(self._run, plugin)

    def records(self, plugin: str) -> Records:
        """Return the part of the store that belongs to what one plugin counts."""
        return Records(self._run, plugin)

    def entries(self, plugin: str) -> Entries:
        """Return the part of the store that belongs to what members give one plugin to keep."""
        return Entries(self._run, plugin)

    async def forget_records_before(self, at: float) -> int:
        """Delete every plugin's records that are older than ``at`` (Unix time); return how many there were."""
        return await self._run(lambda db: db.execute("DELETE FROM record WHERE at < ?", (at,)).rowcount)

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
            raise StoreError(f"the database {self.path} is closed: the bot is stopping", "Start it again.")

        def work_and_commit() -> T:
            with told_of(self.path), transaction(self._connection):
                return work(self._connection)

        # Shielded: whoever stops waiting (a cancelled command) must not leave a doubt about whether it was written.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work_and_commit))
