"""Keeping within the sessions that Discord lets a bot begin: 1,000 a day, or it resets the token.

A bot that is killed soon after each start, and started again by its service manager, uses them up in four hours. So
the starts are remembered in the data folder, and each further one in an hour waits longer than the one before.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import discord

from townhall_bot.discordpy.gateway import session_limit
from townhall_bot.machine.files import write_atomically

log = logging.getLogger("townhall.bot")

IDENTIFY_SECONDS = 5.0
"""Seconds that Discord wants between two sessions (its documentation of the gateway, "Rate Limiting")."""
HOUR = 3600.0
FREE_STARTS = 10
"""Sessions in an hour that wait for nothing: somebody tries things, or a network flutters."""
LONGEST_PAUSE_S = 240.0
"""At this pace a day has fewer than 400 starts."""
LOW = 100
"""Fewer sessions left than this are worth a warning."""
RESERVE = 5
"""What is left for whoever mends things by hand; below it the bot waits until Discord counts anew."""


class SessionPace:
    """When sessions were begun lately, over restarts, and what the next has to wait.

    ``path`` is where they are kept; None: starts are not counted. ``clock`` is in seconds since the epoch, ``sleep``
    what waits.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path, self._clock, self._sleep = path, clock, sleep
        self._next = 0.0

    async def wait_to_start(self, client: discord.Client, sessions: int = 1) -> None:
        """Return when a client may connect: after the pause that restarts cost, and while Discord has sessions left.

        ``sessions`` are so many as it will begin, one for each shard.

        To be awaited before the connection stands: discord.py gives that 60 seconds until it must be ready.
        """
        if pause := await asyncio.to_thread(self.pause):
            log.warning(
                "many sessions were begun within the hour; the next one waits %.0f s, for Discord resets the token of "
                "a bot that begins 1,000 a day. What ended the last ones stands above, or in the service manager's log",
                pause,
            )
            await self._sleep(pause)
        await self._wait_for_discord(client, sessions)

    async def wait_to_identify(self) -> None:
        """Return when a session may begin, at Discord's distance from the last one, and remember it."""
        now = self._clock()
        await self._sleep(max(0.0, self._next - now))
        self._next = max(now, self._next) + IDENTIFY_SECONDS
        try:
            await asyncio.to_thread(self.record)
        except RuntimeError:  # no thread is to be had; people wait for the bot
            self.record()

    async def _wait_for_discord(self, client: discord.Client, sessions: int) -> None:
        limit = await session_limit(client)
        if limit is None:
            return
        left, total, reset_s, _ = limit
        if left <= RESERVE + sessions - 1:
            log.error("%d of %d sessions are left: waiting %.0f min for Discord's new count", left, total, reset_s / 60)
            await self._sleep(reset_s)
        elif left < LOW:
            log.warning("%d of %d sessions are left, Discord counts anew in %.0f min", left, total, reset_s / 60)

    def pause(self) -> float:
        """Return the seconds to wait before the next: 0 for the first ten in an hour, then twice as long each time."""
        excess = len(self._recent()) - FREE_STARTS
        return 0.0 if excess < 0 else min(LONGEST_PAUSE_S, 2.0 ** (excess + 1))

    def record(self) -> None:
        """Note that one begins now. A disk that takes nothing costs the memory of it and no more."""
        if self._path is None:
            return
        try:
            with write_atomically(self._path) as file:
                file.write(json.dumps([*self._recent(), self._clock()]).encode())
        except OSError as error:
            log.warning("%s cannot be written (%s): starts are not counted over restarts", self._path, error)

    def _recent(self) -> list[float]:
        if self._path is None:
            return []
        try:
            begun = json.loads(self._path.read_text(encoding="utf-8"))
            now = self._clock()
            return sorted(at for at in map(float, begun) if now - HOUR < at <= now)
        except (OSError, ValueError, TypeError):
            return []
