"""Prompts and texts, kept where the host turned that on: with who asked, for a number of days, and no longer."""

from __future__ import annotations

import logging
import time

import discord

from plugins.gpt2.protocol import GenerationRequest
from townhall_bot.store import Entries, StoreError

log = logging.getLogger("townhall.plugin.gpt2")

KIND = "text"
DAY = 86_400
"""Also the longest that a text takes from being asked for to being kept, and much more than that."""
CLOCKS_S = 3_600
"""How far this machine's clock may be behind Discord's, which the request's number has."""


class Transcripts:
    """Keeps texts for ``days``; with 0 it keeps none."""

    def __init__(self, entries: Entries, days: int) -> None:
        self._entries = entries
        self._days = days

    async def forget_old(self) -> None:
        """Remove what was kept for long enough: with 0 days all of it, from when the host had turned it on."""
        await self._entries.remove_before(KIND, time.time() - self._days * DAY)

    async def keep(self, request: GenerationRequest, text: str) -> None:
        """Keep one text. Where that fails, it is logged: the member's text matters more."""
        if not self._days or request.user_id is None:
            return
        values = {"prompt": request.prompt, "text": text, "model": request.model, "request": request.request_id}
        try:
            await self._entries.add(KIND, values, guild_id=request.guild_id, user_id=request.user_id)
            await self.forget_old()
        except Exception:
            log.exception("a text could not be kept")

    async def prompt_of(self, member_id: int, request_id: int) -> str | None:
        """Return the prompt of a request that was kept, None where it was not, or cannot be read now."""
        if not self._days:
            return None
        try:
            asked = discord.utils.snowflake_time(request_id).timestamp()
            kept = await self._entries.of(KIND, user_id=member_id, since=asked - CLOCKS_S, until=asked + DAY)
        except StoreError as error:
            log.warning("a long prompt could not be read: %s", error)
            return None
        return next((str(each.values["prompt"]) for each in kept if each.values.get("request") == request_id), None)
