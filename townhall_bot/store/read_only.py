"""Inspecting a database without changing anything: neither the file, nor its schema, nor what lies beside it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from townhall_bot.store.guild_settings import Json
from townhall_bot.store.schema import MIGRATIONS, check_owner, told_of


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is found in a database."""

    schema: int
    """The version of its tables; 0 where there is no database yet, or an empty one."""
    damage: str
    """What SQLite's own check finds wrong in it; empty where it is sound."""
    values: dict[str, Json]
    """The core's own values."""

    @property
    def state(self) -> str:
        """The version of its tables in words, with what the next start makes of them."""
        latest = len(MIGRATIONS)
        if self.schema == 0:
            return "which the first start makes"
        return f"schema {self.schema}" + (f"; the next start moves it to {latest}" if self.schema < latest else "")


def inspect(path: Path) -> Inspection:
    """Inspect the database, also while a bot uses it; raise :class:`StoreError` where this version cannot use it.

    Blocks.
    """
    with told_of(path, writes=False):
        if not path.exists() or path.stat().st_size == 0:
            return Inspection(0, "", {})
    with open_read_only(path) as connection:
        check_owner(path, connection)
        schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
        damage = "; ".join(str(row[0]) for row in connection.execute("PRAGMA quick_check(3)"))
        if damage != "ok":
            return Inspection(schema, damage, {})
        rows = connection.execute("SELECT key, value FROM core_value").fetchall() if schema else []
        return Inspection(schema, "", {key: json.loads(value) for key, value in rows})


@contextlib.contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading alone; raise :class:`StoreError`."""
    # Who reads a database in WAL mode makes a log beside it where there is none, even in mode=ro. Without a log,
    # nobody has the file open: as immutable it is read as it stands. (A bot that starts meanwhile writes to its log.)
    in_use = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    uri = f"{path.absolute().as_uri()}?{'mode=ro' if in_use else 'immutable=1'}"
    with (
        told_of(path, writes=False),
        contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN")  # all that is read is of one moment
        yield connection
