"""What a server decides: a plugin's settings per server, each change with its line in the audit trail."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from townhall_bot.store.run import Database, Run, lock
from townhall_bot.store.schema import StoreError

Json = Any
"""Whatever ``json.dumps`` takes."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of a server's setting. ``old`` or ``new`` is None where the setting was not set."""

    at: datetime
    actor_id: int
    key: str
    old: Json
    new: Json


class Reset(dict[str, Json]):
    """What a reset took away, by key. :meth:`GuildSettings.taken` finds it again by its ``number``."""

    def __init__(self, old: Mapping[str, Json], number: int) -> None:
        super().__init__(old)
        self.number = number


KNOWN = 10_000
"""Servers whose settings are remembered for while the database is away."""
RECENT_S = 10.0
"""How long after a reset another one is taken for the same, pressed twice."""
MICRO = 1_000_000
"""A reset's number is its time in millionths of a second."""


class GuildSettings:
    """One plugin's settings per server, each change with a line in the audit trail. Values are JSON."""

    def __init__(self, run: Run, plugin: str) -> None:
        self._run = run
        self._plugin = plugin
        self._known: dict[int, str] = {}
        """What was read last of each server, the one longest unread first."""

    async def get(self, guild_id: int, key: str, default: Json = None) -> Json:
        """Return a setting, or ``default`` where the server never set it."""
        return await self._run.read(lambda db: _read(db, self._plugin, guild_id, key, default))

    async def all(self, guild_id: int) -> dict[str, Json]:
        """Return everything this server has set."""
        query = "SELECT key, value FROM guild_setting WHERE plugin = ? AND guild_id = ? ORDER BY key"
        rows = await self._run.read(lambda db: db.execute(query, (self._plugin, guild_id)).fetchall())
        return {key: json.loads(value) for key, value in rows}

    async def known(self, guild_id: int) -> dict[str, Json]:
        """Return what :meth:`all` does; while the database is away, what this process read last of this server.

        To serve by. What is changed is changed from what :meth:`all` says.
        """
        try:
            found = await self.all(guild_id)
        except StoreError as error:
            if error.kind != "away" or guild_id not in self._known:
                raise
            found = json.loads(self._known[guild_id])
        self._known.pop(guild_id, None)
        self._known[guild_id] = json.dumps(found)
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        return found

    async def change(self, guild_id: int, key: str, value: Json, *, actor_id: int) -> Json:
        """Set ``key`` (None: back to the default), note who did it, and return the old value.

        Setting what is already there is no change and leaves no line in the audit trail.
        """
        return (await self.change_all(guild_id, {key: value}, actor_id=actor_id))[key]

    async def change_all(self, guild_id: int, changes: Mapping[str, Json], *, actor_id: int) -> dict[str, Json]:
        """Make several changes, all of them or none; return the old value of each."""

        def write(db: Database) -> dict[str, Json]:
            lock(db, "guild_setting", self._plugin, guild_id)
            before = {key: _read(db, self._plugin, guild_id, key, None) for key in changes}
            for key, value in changes.items():
                if before[key] != value:
                    self._write(db, guild_id, key, before[key], value, actor_id)
            return before

        return await self._run.write(write)

    async def reset(self, guild_id: int, *, actor_id: int) -> Reset:
        """Set everything of this server back to its default; return what was set. Each goes on the audit trail."""
        query = "SELECT key, value FROM guild_setting WHERE plugin = ? AND guild_id = ? ORDER BY key"
        number = round(time.time() * MICRO)

        def write(db: Database) -> Reset:
            lock(db, "guild_setting", self._plugin, guild_id)
            old = {key: json.loads(value) for key, value in db.execute(query, (self._plugin, guild_id)).fetchall()}
            for key, value in old.items():
                self._write(db, guild_id, key, value, None, actor_id, at=number / MICRO)
            return Reset(old, number)

        return await self._run.write(write)

    async def taken(self, guild_id: int, number: int) -> dict[str, Json]:
        """Return what the reset of that number took away from this server and nobody has changed since.

        It is read from the audit trail.
        """
        query = """SELECT key, old FROM audit AS taken WHERE plugin = ? AND guild_id = ? AND at = ? AND new IS NULL
            AND NOT EXISTS (SELECT 1 FROM audit AS later WHERE later.plugin = taken.plugin
                AND later.guild_id = taken.guild_id AND later.key = taken.key AND later.id > taken.id)
            ORDER BY id"""
        asked = (self._plugin, guild_id, number / MICRO)
        rows = await self._run.read(lambda db: db.execute(query, asked).fetchall())
        return {key: json.loads(old) for key, old in rows}

    async def last_reset(self, guild_id: int) -> int | None:
        """Return the number of the reset that was this server's last change, seconds ago; None where that was none.

        A setting that was set back alone has a number of its kind one time in four: hence the seconds.
        """
        query = "SELECT at, new FROM audit WHERE plugin = ? AND guild_id = ? ORDER BY id DESC LIMIT 1"
        row = await self._run.read(lambda db: db.execute(query, (self._plugin, guild_id)).fetchone())
        if row is None or row[1] is not None or time.time() - row[0] > RECENT_S:
            return None
        number = round(row[0] * MICRO)
        return number if number / MICRO == row[0] else None  # or else one setting was set back

    async def audit(self, guild_id: int, limit: int = 20) -> list[AuditEntry]:
        """Return this server's latest changes, newest first."""
        query = (
            "SELECT at, actor_id, key, old, new FROM audit WHERE plugin = ? AND guild_id = ? ORDER BY id DESC LIMIT ?"
        )
        rows = await self._run.read(lambda db: db.execute(query, (self._plugin, guild_id, limit)).fetchall())
        return [
            AuditEntry(datetime.fromtimestamp(at, UTC), actor_id, key, _from_json(old), _from_json(new))
            for at, actor_id, key, old, new in rows
        ]

    def _write(
        self, db: Database, guild_id: int, key: str, old: Json, new: Json, actor_id: int, *, at: float | None = None
    ) -> None:
        where = (self._plugin, guild_id, key)
        if new is None:
            db.execute("DELETE FROM guild_setting WHERE plugin = ? AND guild_id = ? AND key = ?", where)
        else:
            upsert = """INSERT INTO guild_setting VALUES (?, ?, ?, ?)
                ON CONFLICT (plugin, guild_id, key) DO UPDATE SET value = excluded.value"""
            db.execute(upsert, (*where, json.dumps(new)))
        line = (time.time() if at is None else at, self._plugin, guild_id, actor_id, key, _to_json(old), _to_json(new))
        db.execute(
            "INSERT INTO audit (at, plugin, guild_id, actor_id, key, old, new) VALUES (?, ?, ?, ?, ?, ?, ?)", line
        )


def _read(db: Database, plugin: str, guild_id: int, key: str, default: Json) -> Json:
    query = "SELECT value FROM guild_setting WHERE plugin = ? AND guild_id = ? AND key = ?"
    row = db.execute(query, (plugin, guild_id, key)).fetchone()
    return default if row is None else json.loads(row[0])


def _to_json(value: Json) -> str | None:
    return None if value is None else json.dumps(value)


def _from_json(text: str | None) -> Json:
    return None if text is None else json.loads(text)
