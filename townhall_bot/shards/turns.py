"""Whose turn it is to begin a session: one in each of Discord's buckets every five seconds, over all processes.

A bucket is ``shard % max_concurrency`` (Discord's documentation of the gateway, "Max Concurrency"). Its last session
stands in a file of the data folder, whose lock is held while one waits.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from townhall_bot.ops.session_limit import IDENTIFY_SECONDS
from townhall_bot.shards.owners import FOLDER
from townhall_bot.store import lock
from townhall_bot.store.schema import told_of

LOOK_AGAIN_S = 0.1


class Turns:
    """Gives turns to identify. ``distance_s`` (Discord's 5) is between two of a bucket, ``clock`` Unix time."""

    def __init__(
        self,
        data_dir: Path,
        distance_s: float | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._folder, self._clock, self._sleep = data_dir / FOLDER, clock, sleep
        self._distance_s = IDENTIFY_SECONDS if distance_s is None else distance_s

    async def take(self, shard: int, max_concurrency: int) -> None:
        """Return when a shard may begin a session, which it is to do at once. Raises StoreError."""
        path = self._folder / f"bucket-{shard % max(1, max_concurrency)}.lock"
        with told_of(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not lock.try_hold(descriptor):
                await self._sleep(LOOK_AGAIN_S)
            while (left := self._left(descriptor)) > 0:
                await self._sleep(left)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, repr(self._clock()).encode(), 0)
        finally:
            os.close(descriptor)

    def _left(self, descriptor: int) -> float:
        """Return the seconds until the next turn; a time of the future is of a clock that was set back."""
        try:
            last = float(os.pread(descriptor, 100, 0))
        except ValueError:
            return 0.0
        since = self._clock() - last
        return 0.0 if since < 0 else max(0.0, self._distance_s - since)
