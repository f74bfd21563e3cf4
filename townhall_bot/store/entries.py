"""What members give a plugin to keep, such as a quote or a wish: JSON with its owner, so that it can be deleted.

A plugin finds its own under ``self.context.entries``::

    number = await entries.add("quote", {"text": text}, guild_id=1, user_id=2)
    quotes = await entries.of("quote", guild_id=1)
    await entries.remove(number)

Keep what the plugin is for and no more, say so in ``privacy``, and delete it in ``delete_member_data``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from townhall_bot.store.guild_settings import Json
from townhall_bot.store.run import Run


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is kept. ``number`` names it within the database."""

    number: int
    at: datetime
    guild_id: int | None
    user_id: int
    values: dict[str, Json]


class Entries:
    """One plugin's entries, kept apart by ``kind``. They stay until they are removed."""

    def __init__(self, run: Run, plugin: str) -> None:
        self._run = run
        self._plugin = plugin

    async def add(
        self, kind: str, values: Mapping[str, Json], *, guild_id: int | None, user_id: int, at: float | None = None
    ) -> int:
        """Keep something for the member ``user_id``; return its number. ``at`` is Unix time, now by default.

        Raises TypeError where ``values`` are not JSON.
        """
        row = (time.time() if at is None else at, self._plugin, kind, guild_id, user_id, json.dumps(dict(values)))
        insert = "INSERT INTO entry (at, plugin, kind, guild_id, user_id, entry) VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
        return await self._run.write(lambda db: int(db.execute(insert, row).fetchone()[0]))

    async def of(
        self,
        kind: str,
        *,
        guild_id: int | None = None,
        user_id: int | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> list[Entry]:
        """Return what is kept, oldest first: of one server, of one member, or of all where they are None.

        ``since`` and ``until`` are Unix times, and both belong to what is asked for.
        """
        where, chosen = "plugin = ? AND kind = ?", list[str | int | float]((self._plugin, kind))
        asked = (("guild_id =", guild_id), ("user_id =", user_id), ("at >=", since), ("at <=", until))
        for condition, wanted in asked:
            if wanted is not None:
                where += f" AND {condition} ?"
                chosen.append(wanted)
        query = f"SELECT id, at, guild_id, user_id, entry FROM entry WHERE {where} ORDER BY at, id"
        rows = await self._run.read(lambda db: db.execute(query, chosen).fetchall())
        return [
            Entry(number, datetime.fromtimestamp(at, UTC), guild, user, json.loads(entry))
            for number, at, guild, user, entry in rows
        ]

    async def remove(self, number: int) -> bool:
        """Remove one entry; return whether it was there."""
        delete = "DELETE FROM entry WHERE plugin = ? AND id = ?"
        return await self._run.write(lambda db: db.execute(delete, (self._plugin, number)).rowcount) > 0

    async def remove_before(self, kind: str, at: float) -> int:
        """Remove the entries of a kind that are older than ``at`` (Unix time); return how many there were."""
        delete = "DELETE FROM entry WHERE plugin = ? AND kind = ? AND at < ?"
        return await self._run.write(lambda db: db.execute(delete, (self._plugin, kind, at)).rowcount)

    async def delete_member(self, user_id: int) -> int:
        """Remove a member's entries of every kind; return how many there were."""
        delete = "DELETE FROM entry WHERE plugin = ? AND user_id = ?"
        return await self._run.write(lambda db: db.execute(delete, (self._plugin, user_id)).rowcount)
