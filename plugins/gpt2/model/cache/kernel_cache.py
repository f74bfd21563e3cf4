"""tinygrad's kernel cache on a disk that may be full, damaged or not ours: said once, done without, made anew.

tinygrad asks for an SQLite connection and takes any error of it for the kernel's own. So it gets this in its place,
which raises nothing that matters. Each value carries a checksum: SQLite has none, and a flipped bit would be run. (A
pickle ends by itself, so tinygrad alone reads such values too.)
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plugins.gpt2.model.cache.cache_dir import seal, unseal

log = logging.getLogger("townhall.gpt2.model")

BUSY_S = 10.0
"""How long another process's writing is waited for."""


class KernelCache:
    """What tinygrad takes for its connection: ``cursor()`` and ``commit()``. For every thread.

    ``ours`` says that a damaged file may be deleted. ``gone`` is called when the cache is of no use any more.
    """

    def __init__(self, path: Path, *, ours: bool, gone: Callable[[], None]) -> None:
        self.path = path
        self._may_replace = ours
        self._gone = gone
        self._tables: dict[str, None] = {}  # what has been created, to be created again in a new file
        self._connection: sqlite3.Connection | None = None
        self._open()

    def __del__(self) -> None:  # a plugin that was reloaded leaves one behind, and Python 3.13 complains of open ones
        if (connection := getattr(self, "_connection", None)) is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def cursor(self) -> Cursor:
        """Return what statements are made with."""
        return Cursor(self)

    def commit(self) -> None:
        """Keep what was written, if it can be."""
        self.attempt(lambda connection: connection.commit())

    def attempt(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Return what ``work`` makes of the connection; None where the cache fails, or is gone."""
        if self._connection is None:
            return None
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            self._failed(error)
            return None

    def create(self, statement: str) -> None:
        """Create a table, now and in whatever file takes the place of this one."""
        self._tables[statement] = None
        self.attempt(lambda connection: connection.execute(statement))

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A connection of one thread alone would not do: a later engine thread goes on where an earlier one ended.
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level="IMMEDIATE", check_same_thread=False
            )
            with contextlib.suppress(sqlite3.OperationalError):  # another process has set it, or is about to
                self._connection.execute("PRAGMA journal_mode=WAL").fetchone()
            self._connection.execute("PRAGMA synchronous=NORMAL")
            for statement in ("CREATE TABLE IF NOT EXISTS writable (yes)", *self._tables):
                self._connection.execute(statement)
            self._connection.commit()
        except (OSError, sqlite3.Error) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if damaged and self._may_replace:
            self._may_replace = False  # once is enough: a disk that does this again is not to be leaned on
            log.warning("the kernel cache %s is damaged (%s); it is made anew", self.path, error)
            with contextlib.suppress(OSError):
                for end in ("", "-wal", "-shm"):
                    self.path.with_name(self.path.name + end).unlink(missing_ok=True)
                self._open()
                return
        self._gone()
        log.warning("no kernel cache in %s (%s): kernels are compiled at every start", self.path, error)


class Cursor:
    """A statement of tinygrad's. Raises sqlite3.OperationalError where a table is not there, and nothing else."""

    def __init__(self, cache: KernelCache) -> None:
        self._cache = cache
        self._found: Any = None

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        """Create a table, look a value up or keep one."""
        kind = statement.split(maxsplit=1)[0].upper()
        if kind == "CREATE":
            self._cache.create(statement)
        elif kind == "SELECT":
            self._found = self._cache.attempt(lambda connection: _look_up(connection, statement, values))
        else:
            *key, value = values
            checked = (*key, seal(value))
            self._cache.attempt(lambda connection: connection.execute(statement, checked))
        return self

    def fetchone(self) -> tuple[bytes] | None:
        """Return what was looked up, or None: also where it is no longer what was kept."""
        if self._found is None:
            return None
        value = unseal(self._found[0])
        return None if value is None else (value,)

    def close(self) -> None:
        """Do nothing: what a cursor held is gone with it."""


def _look_up(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> Any:
    try:
        return connection.execute(statement, values).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
