"""How each command ended, for who waits for it: nobody misses one that was quick."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import discord

    from townhall_bot.bot import Townhall
    from townhall_bot.loopback import Message, Turn


class Outcomes:
    """Remembers the ends of a bot's commands from now on."""

    def __init__(self, bot: Townhall) -> None:
        self._ends: dict[int, asyncio.Future[Exception | None]] = {}
        bot.on_townhall_settled = self._remember  # type: ignore[attr-defined] # discord.py looks handlers up by name

    async def of(self, turn: Turn | Message) -> Exception | None:
        """Wait until a command, or what answers a message, has returned or failed; return what it raised, or None."""
        key: int = turn.id if hasattr(turn, "id") else turn.interaction_id
        return await self._end(key)

    async def _remember(self, interaction: discord.Interaction[Any], error: Exception | None) -> None:
        end = self._end(interaction.id)
        if not end.done():
            end.set_result(error)

    def _end(self, interaction_id: int) -> asyncio.Future[Exception | None]:
        return self._ends.setdefault(interaction_id, asyncio.get_running_loop().create_future())
