"""A database that another program holds, a disk without room, a folder that is taken away: what is said, and kept."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from townhall_bot.store import Store, StoreError, connections
from townhall_bot.store.run import Database

GUILD, ADA = 10, 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "townhall.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = Store.open(path)
    await store.set_value("key", "old")
    yield store
    await store.close()


@contextlib.contextmanager
def another_program(path: Path) -> Iterator[None]:
    """Hold the database as another program does that writes for long."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def no_room(store: Store) -> None:
    """Let the database grow no more, as on a full disk."""
    await store._db.write(lambda db: db.execute("PRAGMA max_page_count = 1"))  # SQLite takes the size it has


async def room(store: Store) -> None:
    await store._db.write(lambda db: db.execute("PRAGMA max_page_count = 1000000"))


BIG = "x" * 100_000
"""More than the free pages of a new database hold."""


async def test_reading_waits_for_no_other_program_and_for_no_change_that_does(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READ_PATIENCE_S", 0)
    busy, may_go_on = threading.Event(), threading.Event()

    def hold(_: Database) -> None:
        busy.set()
        may_go_on.wait(10)

    with another_program(path):
        assert await store.get_value("key") == "old"
        assert await store.guild_settings("gpt2").all(GUILD) == {}

    change = asyncio.create_task(store._db.write(hold))
    assert await asyncio.to_thread(busy.wait, 10)
    assert await store.get_value("key") == "old"
    may_go_on.set()
    await change


async def test_a_bot_starts_beside_a_program_that_writes(store: Store, path: Path) -> None:
    await store.close()
    with another_program(path):
        again = Store.open(path)
        assert await again.get_value("key") == "old"
    await again.close()


async def test_a_change_that_another_program_keeps_out_is_told_and_the_next_one_is_kept(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_PATIENCE_S", 0.01)
    with (
        another_program(path),
        pytest.raises(StoreError, match=r"another program holds .*townhall\.db.*lsof") as caught,
    ):
        await store.set_value("key", "new")
    assert caught.value.kind == "held"
    assert store.failure is caught.value
    await store.set_value("key", "new")
    assert store.failure is None


async def test_nobody_waits_longer_because_others_wait_too(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_PATIENCE_S", 0.05)
    began = time.monotonic()
    with another_program(path):
        ends = await asyncio.gather(*(store.set_value("key", n) for n in range(40)), return_exceptions=True)
    assert all(isinstance(end, StoreError) for end in ends)
    assert time.monotonic() - began < 1  # 40 times as long would be 2 s


async def test_a_full_disk_keeps_all_of_a_change_or_none_and_is_over_when_there_is_room(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    await no_room(store)
    with pytest.raises(StoreError, match=r"no room for .*Free space") as caught:
        await settings.change_all(GUILD, {"count": 5, "words": BIG}, actor_id=ADA)
    assert caught.value.kind == "full"
    assert await settings.all(GUILD) == {}
    assert await settings.audit(GUILD) == []
    assert store.failure is caught.value
    await room(store)
    await store.try_again()
    assert store.failure is None
    await settings.change_all(GUILD, {"count": 5, "words": BIG}, actor_id=ADA)
    assert len(await settings.audit(GUILD)) == 2


async def test_a_commit_that_fails_does_not_keep_later_ones_from_being_made(store: Store) -> None:
    def commit_that_fails(db: Database) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("CREATE TEMP TABLE whole (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TEMP TABLE part (id REFERENCES whole DEFERRABLE INITIALLY DEFERRED)")
        db.execute("INSERT INTO part VALUES (1)")

    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await store._db.write(commit_that_fails)
    await store.set_value("key", "new")
    assert await store.get_value("key") == "new"


@pytest.mark.parametrize("taken", ["folder", "database", "log"])
async def test_nothing_is_confirmed_that_goes_into_files_that_are_gone(store: Store, path: Path, taken: str) -> None:
    place = {"folder": path.parent, "database": path, "log": path.with_name("townhall.db-wal")}[taken]
    aside = place.rename(place.with_name("aside"))
    with pytest.raises(StoreError, match="moved, removed or replaced") as caught:
        await store.set_value("key", "new")
    assert caught.value.kind == "gone"
    assert store.failure is not None
    assert await store.get_value("key") == "old"
    aside.rename(place)
    await store.try_again()
    await store.set_value("key", "new")
    assert store.failure is None


async def test_another_database_in_the_place_of_the_open_one_is_noticed(store: Store, path: Path) -> None:
    for name in ("townhall.db", "townhall.db-wal"):
        place = path.with_name(name)
        place.rename(place.with_name(f"aside-{name}"))
        place.write_bytes(b"")
    with pytest.raises(StoreError, match="replaced"):
        await store.set_value("key", "new")
