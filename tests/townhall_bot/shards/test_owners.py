"""A shard has one owner at a time; who ends, however it ends, is followed by whoever waits."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from townhall_bot.shard_range import ShardRange
from townhall_bot.shards.owners import ShardOwner
from townhall_bot.store import lock

OWNER = """
import asyncio, sys, signal
from pathlib import Path
from townhall_bot.shard_range import ShardRange
from townhall_bot.shards.owners import ShardOwner
owner = ShardOwner(Path(sys.argv[1]))
asyncio.run(owner.take(ShardRange.parse(sys.argv[2]), 0))
print("owns", flush=True)
signal.pause()
"""


def owners(folder: Path, count: int) -> list[ShardOwner]:
    return [ShardOwner(folder) for _ in range(count)]


async def test_other_ranges_are_free_and_the_same_shard_is_refused_by_name(tmp_path: Path) -> None:
    first, second, third = owners(tmp_path, 3)
    await first.take(ShardRange(0, 1, 4), 0)
    await second.take(ShardRange(2, 3, 4), 0)
    with pytest.raises(lock.Held, match=rf"shard 1 of 4 is served by another.*process {os.getpid()}.*TOWNHALL_SHARDS"):
        await third.take(ShardRange(1, 2, 4), 0)
    first.release()
    second.release()
    await third.take(ShardRange(1, 2, 4), 0)
    third.release()


async def test_what_was_taken_before_a_refusal_is_let_go_of(tmp_path: Path) -> None:
    first, second, third = owners(tmp_path, 3)
    await first.take(ShardRange(2, 2, 4), 0)
    with pytest.raises(lock.Held):
        await second.take(ShardRange(0, 3, 4), 0)
    await third.take(ShardRange(0, 1, 4), 0)
    for owner in (first, third):
        owner.release()


async def test_all_must_count_alike(tmp_path: Path) -> None:
    first, second = owners(tmp_path, 2)
    await first.take(ShardRange(0, 0, 4), 0)
    with pytest.raises(lock.Held, match=re.escape("run shards of 4, this one would of 8")):
        await second.take(ShardRange(7, 7, 8), 0)
    first.release()
    await second.take(ShardRange(7, 7, 8), 0)  # nobody is left who counts otherwise
    second.release()


@pytest.mark.slow
async def test_a_killed_owners_range_is_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - it is only begun here; what waits for it is a thread
        [sys.executable, "-c", OWNER, str(tmp_path), "0-1/2"], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as owner:
        assert owner.stdout is not None
        assert await asyncio.to_thread(owner.stdout.readline) == b"owns\n"
        looks = 0

        async def sleep(_: float) -> None:
            nonlocal looks
            looks += 1
            owner.send_signal(signal.SIGKILL)
            await asyncio.to_thread(owner.wait)

        heir = ShardOwner(tmp_path, sleep)
        await heir.take(ShardRange(0, 1, 2), 10)
        assert looks == 1  # half a second each
        heir.release()
