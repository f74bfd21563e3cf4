from __future__ import annotations

import contextlib
import json
import sqlite3
import statistics
import time
from pathlib import Path

import pytest

from townhall_bot.store import MIGRATIONS, Spread, Store
from townhall_bot.store.schema import APPLICATION_ID
from townhall_bot.store.sums import bucket_of

ADA = 1
DAY_S = 86_400.0


async def test_a_plugin_deletes_a_members_records_of_its_own_only(store: Store) -> None:
    gpt2, dice = store.records("gpt2"), store.records("dice")
    for records in (gpt2, dice):
        await records.add("used", {"times": 1}, user_id=ADA)
    assert await gpt2.delete_member(ADA) == 1
    assert await gpt2.of_member(ADA) == 0
    assert await dice.of_member(ADA) == 1


async def test_sums_tell_of_each_label_what_its_records_tell(store: Store) -> None:
    gpt2 = store.records("gpt2")
    for tokens, label in ((10, "small"), (30, "small"), (20, "small"), (500, "large")):
        await gpt2.add("request", {"tokens": tokens}, guild_id=7, label=label)
    sums = {each.label: each.numbers["tokens"] for each in await gpt2.sums("request", DAY_S)}
    assert (sums["small"].count, sums["small"].total, sums["small"].median, sums["small"].most) == (3, 60, 20, 30)
    assert (sums["large"].count, sums["large"].median) == (1, 500)
    assert await gpt2.count("request", DAY_S, guild_id=7) == 4
    assert await gpt2.count("request", DAY_S, guild_id=8) == 0
    await store.forget_records_before(time.time() + 2 * DAY_S)
    assert await gpt2.sums("request", DAY_S) == []


async def test_nothing_of_a_member_is_left_in_the_sums(store: Store) -> None:
    dice = store.records("dice")
    await dice.add("used", {"times": 1}, user_id=ADA)
    await dice.delete_member(ADA)
    assert await dice.sums("used", DAY_S) == []


@pytest.mark.parametrize("numbers", [[1.0, 2.0, 3.0, 700.0, 9_000.0], [0.0, 0.0, 0.001, 0.2], [-5.0, -1.0, 4.0, 8.0]])
def test_a_median_from_buckets_is_within_a_buckets_width(numbers: list[float]) -> None:
    spread = Spread()
    for number in numbers:
        spread.add(bucket_of(number), 1, number, number)
    assert spread.median == pytest.approx(statistics.median(numbers), rel=0.045)
    assert spread.most == max(numbers)


async def test_a_database_from_before_the_sums_has_them_of_its_old_records(tmp_path: Path) -> None:
    now = time.time()
    with contextlib.closing(sqlite3.connect(tmp_path / "townhall.db")) as db:
        for statement in (each for step in MIGRATIONS[:3] for each in step):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 3")
        insert = (
            "INSERT INTO record (at, plugin, kind, guild_id, label, numbers) VALUES (?, 'gpt2', 'request', 7, 'm', ?)"
        )
        db.executemany(insert, [(now - age, json.dumps({"tokens": 8, "tok_s": 0.0})) for age in (0, 1, 7200)])
        db.commit()
    store = Store.open(tmp_path / "townhall.db")
    gpt2 = store.records("gpt2")
    sums = await gpt2.sums("request", DAY_S)
    assert sum(each.numbers["tokens"].total for each in sums) == 24
    assert await gpt2.count("request", DAY_S, guild_id=7) == 3
    assert len(await gpt2.since("request", DAY_S)) == 3
    await store.close()


async def test_a_sample_of_many_is_spread_over_the_time(store: Store) -> None:
    gpt2 = store.records("gpt2")
    for second in range(300):
        await gpt2.add("request", {"tokens": 1}, at=float(second))
    few = [record.at.timestamp() for record in await gpt2.sample("request", 0, 300, 100)]
    assert len(few) <= 200
    assert few == sorted(few)
    assert (few[0] < 10, few[-1] > 290) == (True, True)
    assert len(await gpt2.sample("request", 0, 300, 300)) == 300
