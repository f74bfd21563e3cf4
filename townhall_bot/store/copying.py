"""From SQLite's file into a PostgreSQL server: everything or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from townhall_bot.store.postgres import Postgres, Session
from townhall_bot.store.read_only import inspect, open_read_only
from townhall_bot.store.schema import MIGRATIONS, StoreError

TABLES = ("guild_setting", "audit", "core_value", "record", "entry", "record_sum", "record_count")
NUMBERED = ("audit", "record", "entry")
BATCH = 10_000


def copy(database: Path, url: str) -> dict[str, int]:
    """Copy every table; return how many rows each had. Where :class:`StoreError` is raised nothing changes. Blocks."""
    found = inspect(database)
    if found.damage or found.schema != len(MIGRATIONS):
        problem = f"is damaged: {found.damage}" if found.damage else f"has schema {found.schema}, not {len(MIGRATIONS)}"
        raise StoreError(f"{database} {problem}", "Start the bot once with the file, so that it is brought up to date.")
    server = Postgres.open(url)

    def work(db: Any) -> dict[str, int]:
        assert isinstance(db, Session)
        if any(db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in TABLES):
            raise StoreError(f"the database {server.name} is not empty", "Name an empty one; nothing was copied.")
        with open_read_only(database) as source:
            return {table: _table(source, db, table) for table in TABLES}

    try:
        return server.do(work)
    finally:
        server.end()


def _table(source: Any, target: Session, table: str) -> int:
    rows = source.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in rows.description]
    copied = 0
    while batch := rows.fetchmany(BATCH):
        target.wait(target.connection.copy_records_to_table(table, records=batch, columns=columns, timeout=600))
        copied += len(batch)
    if table in NUMBERED and copied:
        target.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    return copied
