"""Killed at any moment, in the middle of writes, the bot loses nothing that was confirmed and leaves nothing half."""

import asyncio
import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from townhall_bot.store import Store

KILLS = int(os.environ.get("KILLS", "100"))
GUILD, ADA = 10, 1

# Forks writers from a process that has imported everything, so that a hundred of them take seconds. For each line
# "writes microseconds" on its input it lets a writer confirm so many writes, kills it that much later, and tells the
# last write that the writer confirmed (0: none).
NURSERY = """
import asyncio, os, signal, sys, time
from townhall_bot.store import Store

async def write(path, first, out):
    store = Store.open(path)
    settings, records = store.guild_settings("gpt2"), store.records("gpt2")
    number = first
    while True:
        await settings.change(10, "count", number, actor_id=1)
        await records.add("request", {"tokens": number}, guild_id=10, user_id=1)
        os.write(out, b"%d\\n" % number)
        number += 1

first = 1
for line in sys.stdin:
    writes, microseconds = map(int, line.split())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(write(sys.argv[1], first, writer))
        finally:
            os._exit(1)
    os.close(writer)
    confirmations = os.fdopen(reader)
    last = 0
    for _ in range(writes):
        last = int(confirmations.readline())
    time.sleep(microseconds / 1e6)  # no event to await: the kill must fall anywhere, also inside a write
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    for confirmation in confirmations:
        last = int(confirmation)
    first = max(first, last + 1)
    print(last, flush=True)
"""


@pytest.mark.timeout(600)
def test_a_hundred_kills_in_the_middle_of_writes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "townhall.db"
    chance = random.Random(5)
    confirmed = 0
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for _ in range(KILLS):
            # No confirmed write at all: killed while it opens the file, the first time while it makes the tables.
            nursery.stdin.write(f"{chance.randrange(6)} {chance.randrange(20_000)}\n")
            nursery.stdin.flush()
            last = int(nursery.stdout.readline())
            confirmed = max(confirmed, last)
            asyncio.run(check(path, confirmed))
        nursery.stdin.close()
    assert nursery.returncode == 0
    assert confirmed > KILLS  # they did write


async def check(path: Path, confirmed: int) -> None:
    """Everything confirmed is there, in order, and at most one write more: the one under way."""
    store = Store.open(path)
    try:
        settings = store.guild_settings("gpt2")
        kept = await settings.get(GUILD, "count", 0)
        trail = [(entry.old or 0, entry.new) for entry in reversed(await settings.audit(GUILD, limit=100_000))]
        counted = [record.numbers["tokens"] for record in await store.records("gpt2").since("request", 1e6)]
        assert await store.damage() == ""
    finally:
        await store.close()
    assert kept in (confirmed, confirmed + 1)
    assert (trail[-1][1] if trail else 0) == kept  # the setting and its line: both or neither
    assert all(later[0] == earlier[1] for earlier, later in pairwise(trail))
    assert sorted(set(counted)) == list(range(1, int(max(counted, default=0)) + 1))
    assert max(counted, default=0) in (confirmed, kept)
