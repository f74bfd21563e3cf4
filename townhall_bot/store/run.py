"""What the parts of the store need of it: a way to have their SQL done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Run(Protocol):
    """Does work as one transaction, on the thread that the database belongs to, and returns what the work returns.

    Raises :class:`~townhall_bot.store.schema.StoreError` where SQLite fails; then nothing was changed.
    """

    async def __call__(self, work: Callable[[sqlite3.Connection], T], /) -> T:
        """Do it."""
        ...
