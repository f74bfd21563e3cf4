"""What the parts of the store need of it: a way to have their SQL done, in SQLite or in PostgreSQL.

The SQL is what both speak, with ``?`` for values.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


class Rows(Protocol):
    """What a statement gave. ``rowcount`` is how many rows it changed."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchone(self) -> Any:
        """Return the first row, None where there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


class Database(Protocol):
    """A connection within a transaction, on a thread where it may block."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Rows:
        """Run a statement."""
        ...


@runtime_checkable
class Locks(Protocol):
    """A database that lets several write at once."""

    def lock(self, name: str) -> None:
        """Wait until nobody else has the lock of this name; it is let go of with the transaction."""
        ...

    def now(self) -> float:
        """Return Unix time by the clock that all who use this database share."""
        ...


def lock(db: Database, *name: str | int) -> None:
    """Let nobody else change what ``name`` names until the transaction ends. SQLite lets one write at a time anyway."""
    if isinstance(db, Locks):
        db.lock("/".join(str(part) for part in name))


def now(db: Database) -> float:
    """Return Unix time by the clock that all who use this database share: the server's, or this machine's."""
    return db.now() if isinstance(db, Locks) else time.time()


class Run(Protocol):
    """Does work as one transaction, off the event loop, and returns what the work returns.

    Raises :class:`~townhall_bot.store.schema.StoreError` where the database fails; then nothing was changed.
    """

    async def read(self, work: Callable[[Database], T], /) -> T:
        """Do what only reads: it waits for no writer, of this program or another."""
        ...

    async def write(self, work: Callable[[Database], T], /) -> T:
        """Do what may change something, when those before it are done."""
        ...
