"""What the parts of the store need of it: a way to have their SQL done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Run(Protocol):
    """Does work as one transaction, off the event loop, and returns what the work returns.

    Raises :class:`~townhall_bot.store.schema.StoreError` where SQLite fails; then nothing was changed.
    """

    async def read(self, work: Callable[[sqlite3.Connection], T], /) -> T:
        """Do what only reads: it waits for no writer, of this program or another."""
        ...

    async def write(self, work: Callable[[sqlite3.Connection], T], /) -> T:
        """Do what may change something, when those before it are done."""
        ...
