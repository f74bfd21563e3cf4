"""One owner of each shard: locks in the data folder, which the system lets go of when their holder ends, however.

They hold for all processes that share the folder, so for one machine or a file system with working locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from townhall_bot.shard_range import ShardRange
from townhall_bot.store import lock
from townhall_bot.store.schema import told_of

log = logging.getLogger("townhall.shards")

FOLDER = "shards"
COUNT = "count.lock"
LOOK_AGAIN_S = 0.5
"""How soon a range is taken over whose owner was killed."""


async def until_free(attempt: Callable[[], object], wait_s: float, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Try, in a thread, what raises :class:`~townhall_bot.store.lock.Held` while others hold what is wanted.

    It is tried again for ``wait_s`` seconds; then what the last try raised is raised.
    """
    left, told = wait_s, False
    while True:
        try:
            await asyncio.to_thread(attempt)
            return
        except lock.Held as held:
            if left <= 0:
                raise
            if not told:
                told = True
                log.warning("%s It is tried again for up to %.0f s", held, wait_s)
        await sleep(LOOK_AGAIN_S)
        left -= LOOK_AGAIN_S


class ShardOwner:
    """Holds a range's locks from :meth:`take` until :meth:`release`. ``sleep`` is what waits."""

    def __init__(self, data_dir: Path, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._folder, self._sleep = data_dir / FOLDER, sleep
        self._held = contextlib.ExitStack()

    async def take(self, shards: ShardRange, wait_s: float) -> None:
        """Take every shard of a range, waiting up to ``wait_s`` seconds for another owner to end.

        Raises :class:`~townhall_bot.store.lock.Held`, which names the shard and its owner, and where others share
        their servers out among another number of shards; StoreError where the folder cannot be used.
        """
        await until_free(lambda: self._try(shards), wait_s, self._sleep)

    def release(self) -> None:
        """Let go of them; twice is fine."""
        self._held.close()

    def _try(self, shards: ShardRange) -> None:
        with told_of(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as taken:
            taken.enter_context(self._count(shards))
            for shard in shards.ids:
                path = self._folder / f"{shard}.lock"
                if (descriptor := _locked(path)) is None:
                    raise lock.Held(
                        f"shard {shard} of {shards.count} is served by another Townhall: {lock.who(path)}. Give this "
                        f"one other shards than {shards} with TOWNHALL_SHARDS, or stop that one."
                    )
                taken.callback(os.close, descriptor)
                lock.sign(descriptor)
            self._held = taken.pop_all()

    @contextlib.contextmanager
    def _count(self, shards: ShardRange) -> Iterator[None]:
        """Agree with the others on how many shards there are; who is the first says it."""
        path = self._folder / COUNT
        descriptor = _locked(path)
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(shards.count).encode(), 0)
            os.close(descriptor)
        with told_of(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            lock.share(descriptor)
            said = os.pread(descriptor, 20, 0).decode(errors="replace")
            if said != str(shards.count):
                raise lock.Held(
                    f"other processes with this data folder run shards of {said}, this one would of {shards.count}. "
                    "All must count alike: stop them all, then start them with the new TOWNHALL_SHARDS."
                )
            yield
        finally:
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Return a descriptor that holds the file's lock, None where somebody else does."""
    with told_of(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if lock.try_hold(descriptor):
        return descriptor
    os.close(descriptor)
    return None
