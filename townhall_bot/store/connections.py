"""The database's two connections, each on a thread of its own: one that writes, and one that reads beside it.

What reads needs no lock that a writer could hold, so nobody waits for an answer because another program, or a disk,
keeps a writer waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from townhall_bot.store.run import Database
from townhall_bot.store.schema import StoreError, connect, connect_reader, told_of, transaction

T = TypeVar("T")

READ_PATIENCE_S = 2.0
"""How long a read waits where it has to. Commands read before their first answer, for which Discord gives them 3."""
WRITE_PATIENCE_S = 10.0


class Connections:
    """Both connections. What runs on them is one transaction each, and waits from when it was asked for."""

    def __init__(
        self, path: Path, writer: tuple[ThreadPoolExecutor, sqlite3.Connection], reader: ThreadPoolExecutor
    ) -> None:
        self.path = path
        self._writing, self._writer = writer
        self._reading = reader
        self._reader = reader.submit(connect_reader, path).result()
        self._files = _files(path)
        self._last_failure: StoreError | None = None
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> Connections:
        """Open or create the file and bring its schema up to date; raise :class:`StoreError`. Blocks."""
        writing = ThreadPoolExecutor(1, thread_name_prefix="townhall-store")
        reading = ThreadPoolExecutor(1, thread_name_prefix="townhall-store-read")
        with contextlib.ExitStack() as opened:
            for thread in (writing, reading):
                opened.callback(thread.shutdown)
            connection = writing.submit(connect, path).result()
            opened.callback(connection.close)
            connections = cls(path, (writing, connection), reading)
            opened.pop_all()
        return connections

    @property
    def failure(self) -> StoreError | None:
        """What keeps anything from being kept now, as far as is known: the last change failed, or the file is gone."""
        return self._gone() or self._last_failure

    async def read(self, work: Callable[[Database], T], /) -> T:
        """Do what only reads; see :class:`~townhall_bot.store.run.Run`."""
        return await self._do(self._reading, self._reader, work, writes=False)

    async def write(self, work: Callable[[Database], T], /) -> T:
        """Do what may change something; see :class:`~townhall_bot.store.run.Run`."""
        return await self._do(self._writing, self._writer, work, writes=True)

    async def close(self) -> None:
        """Finish what was asked for and close the file. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            for thread, connection in ((self._reading, self._reader), (self._writing, self._writer)):
                await asyncio.get_running_loop().run_in_executor(thread, connection.close)
                thread.shutdown()

    async def _do(
        self,
        thread: ThreadPoolExecutor,
        connection: sqlite3.Connection,
        work: Callable[[Database], T],
        *,
        writes: bool,
    ) -> T:
        if self._closed:
            raise StoreError(f"the database {self.path} is closed: the bot is stopping", "Start it again.")
        until = time.monotonic() + (WRITE_PATIENCE_S if writes else READ_PATIENCE_S)

        def work_and_commit() -> T:
            left_ms = max(0, round(1000 * (until - time.monotonic())))
            before = connection.total_changes
            try:
                with told_of(self.path, writes=writes):
                    connection.execute(f"PRAGMA busy_timeout = {left_ms}")
                    with transaction(connection, writes=writes):
                        done = work(connection)
                        # SQLite goes on with files that were removed, and nobody would find what is in them again.
                        if writes and (gone := self._gone()):
                            raise gone
            except StoreError as error:
                self._last_failure = error
                raise
            if connection.total_changes != before:
                self._last_failure = None
            return done

        # Shielded: whoever stops waiting (a cancelled command) must not leave a doubt about whether it was written.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(thread, work_and_commit))

    def _gone(self) -> StoreError | None:
        if self._closed or _files(self.path) == self._files:
            return None
        return StoreError(
            f"{self.path} is not the file any more that this bot opened: it was moved, removed or replaced",
            "Stop the bot, put the file back or restore a backup, and start it again.",
            kind="gone",
        )


def _files(path: Path) -> list[tuple[int, int] | None]:
    """Return which files the database and its log are, None for what is not there."""
    found: list[tuple[int, int] | None] = []
    for place in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = place.stat()
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found
