"""What a plugin counts: numbers with time, server and member, for statistics; never what people write.

A plugin finds its own under ``self.context.records``::

    await records.add("request", {"tokens": 40, "seconds": 1.2}, guild_id=1, user_id=2, label="gpt2")
    day = await records.since("request", seconds=86_400, guild_id=1)
    sum(record.numbers["tokens"] for record in day)

Where there may be many, ask for their sums (``sums``, ``count``), which cost the same for any number. Records go by
themselves after ``TOWNHALL_KEEP_RECORDS_DAYS`` days, and with ``delete_member`` at once.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from townhall_bot.store.run import Database, Run
from townhall_bot.store.schema import StoreError
from townhall_bot.store.sums import HOUR_S, HourSum, bucket_of, by_hour

LATER = 10_000
"""How many records wait in memory at most while the database is away."""
SPANS = 100
"""In how many pieces of time a sample is taken."""
INSERT = """INSERT INTO record (at, plugin, kind, guild_id, user_id, label, numbers) VALUES (?, ?, ?, ?, ?, ?, ?)"""
COUNT = """INSERT INTO record_count VALUES (?, ?, ?, ?, ?, 1)
    ON CONFLICT (plugin, kind, guild_id, hour, label) DO UPDATE SET count = record_count.count + 1"""
SUM = """INSERT INTO record_sum VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)
    ON CONFLICT (plugin, kind, hour, label, name, bucket) DO UPDATE SET count = record_sum.count + 1,
        total = record_sum.total + excluded.total,
        most = CASE WHEN record_sum.most > excluded.most THEN record_sum.most ELSE excluded.most END"""


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
        self._later: list[Callable[[Database], None]] = []

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
        at = time.time() if at is None else at
        row = (at, self._plugin, kind, guild_id, user_id, label, json.dumps(dict(numbers)))

        def write(db: Database) -> None:
            db.execute(INSERT, row)
            if user_id is None:
                hour = int(at // HOUR_S)
                db.execute(COUNT, (self._plugin, kind, guild_id or 0, hour, label))
                for name, number in sorted(numbers.items()):  # in one order: two writers must not wait for each other
                    key = (self._plugin, kind, hour, label, name, bucket_of(number))
                    db.execute(SUM, (*key, float(number), float(number)))

        waiting, self._later = [*self._later, write], []

        def write_all(db: Database) -> None:
            for each in waiting:
                each(db)

        try:
            await self._run.write(write_all)
        except StoreError as error:
            if error.kind == "away":  # a server that is restarted costs no count; the next one brings them along
                self._later = [*waiting, *self._later][-LATER:]
            raise

    async def sums(self, kind: str, seconds: float) -> list[HourSum]:
        """Return the sums of the hours that began in the last ``seconds``, oldest first; cheap for any number.

        Records that name a member are not in them: nothing may be left of a member who has them deleted.
        """
        query = """SELECT hour, label, name, bucket, count, total, most FROM record_sum
            WHERE plugin = ? AND kind = ? AND hour >= ?"""
        where = (self._plugin, kind, math.ceil((time.time() - seconds) / HOUR_S))
        return by_hour(await self._run.read(lambda db: db.execute(query, where).fetchall()))

    async def count(self, kind: str, seconds: float, *, guild_id: int | None) -> int:
        """Return how many records the same hours have of one server; None: of direct messages."""
        query = """SELECT COALESCE(sum(count), 0) FROM record_count
            WHERE plugin = ? AND kind = ? AND guild_id = ? AND hour >= ?"""
        where = (self._plugin, kind, guild_id or 0, math.ceil((time.time() - seconds) / HOUR_S))
        return int((await self._run.read(lambda db: db.execute(query, where).fetchone()))[0])

    async def sample(self, kind: str, since: float, until: float, most: int) -> list[Record]:
        """Return at most about ``most`` records between two Unix times, oldest first: all, where there are no more.

        Of more, the newest of each of a hundred equal spans are taken: enough to draw, at the same cost for any number.
        """
        query = """SELECT at, guild_id, user_id, label, numbers FROM record
            WHERE plugin = ? AND kind = ? AND at >= ? AND at <= ? ORDER BY at DESC, id DESC LIMIT ?"""
        step, each = (until - since) / SPANS, max(1, most // SPANS)

        def read(db: Database) -> list[Any]:
            rows = db.execute(query, (self._plugin, kind, since, until, most + 1)).fetchall()
            if len(rows) <= most:
                return rows
            rows = []
            for span in reversed(range(SPANS)):
                begin = since + span * step
                rows += db.execute(query, (self._plugin, kind, begin, begin + step, each)).fetchall()
            return rows

        return [_record(row) for row in reversed(await self._run.read(read))]

    async def since(self, kind: str, seconds: float, *, guild_id: int | None = None) -> list[Record]:
        """Return what happened in the last ``seconds``, oldest first; ``guild_id`` None: in every server."""
        where = "plugin = ? AND kind = ? AND at >= ?"
        values: tuple[str | float, ...] = (self._plugin, kind, time.time() - seconds)
        if guild_id is not None:
            where, values = f"{where} AND guild_id = ?", (*values, guild_id)
        query = f"SELECT at, guild_id, user_id, label, numbers FROM record WHERE {where} ORDER BY at, id"
        rows = await self._run.read(lambda db: db.execute(query, values).fetchall())
        return [_record(row) for row in rows]

    async def of_member(self, user_id: int) -> int:
        """Return how many records there are of a member, of every kind."""
        query = "SELECT count(*) FROM record WHERE plugin = ? AND user_id = ?"
        row = await self._run.read(lambda db: db.execute(query, (self._plugin, user_id)).fetchone())
        return int(row[0])

    async def delete_member(self, user_id: int) -> int:
        """Delete a member's records of every kind; return how many there were."""
        delete = "DELETE FROM record WHERE plugin = ? AND user_id = ?"
        return await self._run.write(lambda db: db.execute(delete, (self._plugin, user_id)).rowcount)


def _record(row: tuple[float, int | None, int | None, str, str]) -> Record:
    at, guild, user, label, numbers = row
    return Record(datetime.fromtimestamp(at, UTC), guild, user, label, json.loads(numbers))
