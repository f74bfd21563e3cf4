"""A change is whole or not there at all, whoever else reads or writes, gives up, or fails in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.townhall_bot.store.conftest import OpenStore
from townhall_bot.store import MIGRATIONS, Store, StoreError, schema
from townhall_bot.store.run import Database

GUILD, OTHER_GUILD, ADA, BEN = 10, 11, 1, 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "townhall.db"


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[Store]:
    """Give a store whose rules are those of SQLite's file."""
    store = Store.open(path)
    yield store
    await store.close()


async def test_a_setting_is_never_kept_without_its_line_in_the_audit_trail(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    with pytest.raises((OverflowError, ValueError)):
        await settings.change(GUILD, "model", "gpt2", actor_id=2**64)  # more than the databases' integers hold
    assert await settings.all(GUILD) == {}
    await settings.change(GUILD, "model", "gpt2-xl", actor_id=ADA)
    assert [entry.new for entry in await settings.audit(GUILD)] == ["gpt2-xl"]


async def test_who_gives_up_while_a_change_waits_its_turn_leaves_no_doubt(sqlite: Store) -> None:
    busy, may_go_on = threading.Event(), threading.Event()

    def hold(_: Database) -> None:
        busy.set()
        may_go_on.wait(10)

    before = asyncio.create_task(sqlite._db.write(hold))
    assert await asyncio.to_thread(busy.wait, 10)
    change = asyncio.create_task(sqlite.set_value("key", "new"))
    await asyncio.sleep(0)  # it is asked for
    change.cancel()
    with pytest.raises(asyncio.CancelledError):
        await change
    may_go_on.set()
    await before
    await sqlite.set_value("after", 1)  # has its turn after the change
    assert await sqlite.get_value("key") == "new"


async def test_a_reader_holds_up_no_writer_and_sees_none_of_it_before_it_is_whole(sqlite: Store, path: Path) -> None:
    await sqlite.set_value("key", "old")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT value FROM core_value").fetchall() == [('"old"',)]
        await sqlite.set_value("key", "new")
        assert reader.execute("SELECT value FROM core_value").fetchall() == [('"old"',)]
        reader.execute("COMMIT")
        assert reader.execute("SELECT value FROM core_value").fetchall() == [('"new"',)]


async def test_two_programs_that_change_the_same_at_once_wait_for_each_other(open_store: OpenStore) -> None:
    one, other = open_store(), open_store()
    try:
        pair = [each.guild_settings("gpt2") for each in (one, other)]
        changes = (pair[number % 2].change(GUILD, "count", number, actor_id=ADA) for number in range(1, 41))
        await asyncio.gather(*changes)
        trail = list(reversed(await pair[0].audit(GUILD, limit=100)))
    finally:
        await one.close()
        await other.close()
    assert len(trail) == 40
    assert all(later.old == earlier.new for earlier, later in pairwise(trail))


async def test_what_is_confirmed_is_on_the_disk_and_refers_to_what_is_there(sqlite: Store) -> None:
    full, on = 2, 1
    assert await sqlite._db.write(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (full,)
    assert await sqlite._db.write(lambda db: db.execute("PRAGMA foreign_keys").fetchone()) == (on,)


async def test_an_update_that_fails_half_way_leaves_the_database_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(path)
    await store.set_value("key", "kept")
    await store.close()
    with monkeypatch.context() as newer:
        newer.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE first (a)", "CREATE TABLE and then nonsense")))
        with pytest.raises(StoreError):
            Store.open(path)
    store = Store.open(path)
    assert await store.get_value("key") == "kept"
    tables = await store._db.write(
        lambda db: db.execute("SELECT name FROM sqlite_master WHERE name = 'first'").fetchall()
    )
    assert tables == []
    await store.close()


async def test_a_reset_names_who_did_it_and_touches_no_other_server_or_plugin(store: Store) -> None:
    gpt2, ping = store.guild_settings("gpt2"), store.guild_settings("ping")
    for settings, guild, key in ((gpt2, GUILD, "model"), (gpt2, OTHER_GUILD, "count"), (ping, GUILD, "sound")):
        await settings.change(guild, key, "chosen", actor_id=ADA)
    assert await gpt2.reset(GUILD, actor_id=BEN) == {"model": "chosen"}
    assert await gpt2.all(GUILD) == {}
    assert await gpt2.all(OTHER_GUILD) == {"count": "chosen"}
    assert await ping.all(GUILD) == {"sound": "chosen"}
    assert [(entry.actor_id, entry.new) for entry in await gpt2.audit(GUILD)] == [(BEN, None), (ADA, "chosen")]
    assert [entry.actor_id for entry in await gpt2.audit(OTHER_GUILD)] == [ADA]
    assert [entry.actor_id for entry in await ping.audit(GUILD)] == [ADA]
