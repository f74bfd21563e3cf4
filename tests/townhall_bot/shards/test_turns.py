"""Sessions of one bucket are begun five seconds apart, whichever process begins them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from townhall_bot.shards.turns import Turns


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def begun(turns: Turns, clock: Clock, shard: int, concurrency: int = 1) -> float:
    await turns.take(shard, concurrency)
    return clock.now


async def test_two_processes_wait_for_each_other(tmp_path: Path, clock: Clock) -> None:
    here, there = (Turns(tmp_path, clock=clock, sleep=clock.sleep) for _ in range(2))
    times = [await begun(turns, clock, shard) for turns, shard in ((here, 0), (there, 2), (here, 1), (there, 3))]
    assert times == [1000, 1005, 1010, 1015]


async def test_buckets_do_not_wait_for_each_other(tmp_path: Path, clock: Clock) -> None:
    turns = Turns(tmp_path, clock=clock, sleep=clock.sleep)
    assert [await begun(turns, clock, shard, concurrency=2) for shard in (0, 1, 2, 3)] == [1000, 1000, 1005, 1005]


async def test_who_comes_later_waits_no_longer_than_it_takes(tmp_path: Path, clock: Clock) -> None:
    await Turns(tmp_path, clock=clock, sleep=clock.sleep).take(0, 1)
    clock.now += 3
    assert await begun(Turns(tmp_path, clock=clock, sleep=clock.sleep), clock, 1) == 1005
    clock.now += 60
    assert await begun(Turns(tmp_path, clock=clock, sleep=clock.sleep), clock, 2) == 1065


@pytest.mark.parametrize("kept", ["", "nonsense", "99999999999"])
async def test_a_file_that_says_nothing_true_holds_nobody_up(tmp_path: Path, clock: Clock, kept: str) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "bucket-0.lock").write_text(kept)
    assert await begun(Turns(tmp_path, clock=clock, sleep=clock.sleep), clock, 0) == 1000
