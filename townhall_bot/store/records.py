"""What a plugin counts: numbers with time, server and member, for statistics; never what people write.

A plugin finds its own under ``self.context.records``::

    await records.add("request", {"tokens": 40, "seconds": 1.2}, guild_id=1, user_id=2, label="gpt2")
    day = await records.since("request", seconds=86_400, guild_id=1)
    sum(record.numbers["tokens"] for record in day)

Records go by themselves after ``TOWNHALL_KEEP_RECORDS_DAYS`` days, and with ``delete_member`` at once.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from townhall_bot.store.run import Run


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened. ``label`` is a word of the host's, such as a model's name."""

    at: datetime
    guild_id: int | None
    user_id: int | None
    label: str
    numbers: dict[str, float]


class Records:
    """One plugin's records, kept apart by ``kind`` ("request", "speed"…)."""

    def __init__(self, run: Run, plugin: str) -> None:
        self._run = run
        self._plugin = plugin

    async def add(
        self,
        kind: str,
        numbers: Mapping[str, float],
        *,
        guild_id: int | None = None,
        user_id: int | None = None,
        label: str = "",
        at: float | None = None,
    ) -> None:
        """Keep one record; ``at`` is Unix time, now by default.

        Raises TypeError where a value is not a finite number: texts do not belong here.
        """
        for name, number in numbers.items():
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                raise TypeError(f"the record's {name!r} must be a finite number, not a {type(number).__name__}")
        row = (
            time.time() if at is None else at,
            self._plugin,
            kind,
            guild_id,
            user_id,
            label,
            json.dumps(dict(numbers)),
        )
        insert = """INSERT INTO record (at, plugin, kind, guild_id, user_id, label, numbers)
            VALUES (?, ?, ?, ?, ?, ?, ?)"""
        await self._run.write(lambda db: db.execute(insert, row))

    async def since(self, kind: str, seconds: float, *, guild_id: int | None = None) -> list[Record]:
        """Return what happened in the last ``seconds``, oldest first; ``guild_id`` None: in every server."""
        where = "plugin = ? AND kind = ? AND at >= ?"
        values: tuple[str | float, ...] = (self._plugin, kind, time.time() - seconds)
        if guild_id is not None:
            where, values = f"{where} AND guild_id = ?", (*values, guild_id)
        query = f"SELECT at, guild_id, user_id, label, numbers FROM record WHERE {where} ORDER BY at, id"
        rows = await self._run.read(lambda db: db.execute(query, values).fetchall())
        return [
            Record(datetime.fromtimestamp(at, UTC), guild, user, label, json.loads(numbers))
            for at, guild, user, label, numbers in rows
        ]

    async def of_member(self, user_id: int) -> int:
        """Return how many records there are of a member, of every kind."""
        query = "SELECT count(*) FROM record WHERE plugin = ? AND user_id = ?"
        row = await self._run.read(lambda db: db.execute(query, (self._plugin, user_id)).fetchone())
        return int(row[0])

    async def delete_member(self, user_id: int) -> int:
        """Delete a member's records of every kind; return how many there were."""
        delete = "DELETE FROM record WHERE plugin = ? AND user_id = ?"
        return await self._run.write(lambda db: db.execute(delete, (self._plugin, user_id)).rowcount)
