"""What /gpt2-stats costs with a million records a day: ``python -m bench.statistics [RECORDS]``. The last line is JSON.

The records are of 100,000 servers and two models, spread over the day. Measured is what the command asks of the store
and computes of it; the picture of it is drawn on a thread of its own and costs the same for any number.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench import machine
from plugins.gpt2.stats.summary import DAY_S, DOTS, KIND, sum_up
from townhall_bot.store import MIGRATIONS, Records, Store
from townhall_bot.store.schema import APPLICATION_ID

ROUNDS = 9
SERVERS = 100_000


def fill(path: Path, records: int, now: float) -> None:
    """Write a database as it was before there were sums, with so many records of the last day."""
    rng = random.Random(1)
    with sqlite3.connect(path) as db:
        for statement in (each for step in MIGRATIONS[:3] for each in step):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 3")
        insert = "INSERT INTO record (at, plugin, kind, guild_id, label, numbers) VALUES (?, 'gpt2', ?, ?, ?, ?)"
        for _ in range(records):
            speed = rng.lognormvariate(4, 0.5)
            numbers = {"tokens": 60, "prompt_tokens": 9, "queue_s": rng.expovariate(3), "first_token_s": 0.05}
            text = json.dumps({**numbers, "total_s": 60 / speed, "tok_s": speed})
            label = rng.choice(["gpt2", "gpt2-medium"])
            db.execute(insert, (now - rng.random() * DAY_S, KIND, rng.randrange(SERVERS), label, text))
    db.close()


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def asked(records: Records, now: float) -> float:
    """Do what the command does, and return the milliseconds it took."""
    began = time.perf_counter()
    hours = await records.sums(KIND, DAY_S)
    here = await records.count(KIND, DAY_S, guild_id=5)
    sum_up(hours, await records.sample(KIND, now - DAY_S, now, DOTS), here=here, now=now)
    return (time.perf_counter() - began) * 1000


async def measure(count: int) -> dict[str, float]:
    """Return what was measured, in milliseconds and MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path, now = Path(folder) / "townhall.db", time.time()
        await asyncio.to_thread(fill, path, count, now)
        began = time.perf_counter()
        store = await asyncio.to_thread(Store.open, path)
        migration_s = time.perf_counter() - began
        records, before = store.records("gpt2"), _resident_mb()
        times = [await asked(records, now) for _ in range(ROUNDS)]
        grown = _resident_mb() - before
        began = time.perf_counter()
        for guild in range(100):
            await records.add(KIND, {"tokens": 60, "tok_s": 55.5, "queue_s": 0.1}, guild_id=guild, label="gpt2")
        add_ms = (time.perf_counter() - began) * 10
        await store.close()
    return {
        "records": count,
        "first_ms": times[0],
        "median_ms": median(times),
        "longest_ms": max(times),
        "grown_mb": grown,
        "add_ms": add_ms,
        "migration_s": migration_s,
    }


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    result = asyncio.run(measure(int(argv[0]) if argv else 1_000_000))
    print(json.dumps({"machine": machine.describe(), "statistics": {key: round(v, 2) for key, v in result.items()}}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
