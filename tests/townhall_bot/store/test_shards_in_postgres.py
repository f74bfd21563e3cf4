"""Shards' owners and turns where the database is a server's."""

from __future__ import annotations

import asyncio

import pytest

from tests.townhall_bot.store.conftest import Server
from townhall_bot.shard_range import ShardRange
from townhall_bot.shards.server_owner import ServerOwner
from townhall_bot.store import Store, lock


async def test_the_server_knows_one_owner_of_a_shard(postgres_server: Server) -> None:
    url = postgres_server.database()
    low, high, other = (ServerOwner(url) for _ in range(3))
    await low.take(ShardRange(0, 1, 4), 0)
    await high.take(ShardRange(2, 3, 4), 0)
    with pytest.raises(lock.Held, match=r"shard 1 of 4 is served by another Townhall: townhall shards 0-1/4 process"):
        await other.take(ShardRange(1, 1, 4), 0)
    with pytest.raises(lock.Held, match="run shards of 4, this one would of 8"):
        await other.take(ShardRange(7, 7, 8), 0)
    with pytest.raises(lock.Held, match="another Townhall serves with this database"):
        await other.take(None, 0)
    for owner in (low, high):
        await asyncio.to_thread(owner.release)
    await other.take(ShardRange(1, 2, 4), 10)  # the server may take a moment to see that they are gone
    await asyncio.to_thread(other.release)


async def test_a_bot_without_shards_is_alone_on_its_database(postgres_server: Server) -> None:
    url = postgres_server.database()
    alone, other = ServerOwner(url), ServerOwner(url)
    await alone.take(None, 0)
    with pytest.raises(lock.Held, match="a Townhall without TOWNHALL_SHARDS serves with this database"):
        await other.take(ShardRange(0, 0, 2), 0)
    await asyncio.to_thread(alone.release)


async def test_turns_are_taken_one_by_one(postgres_server: Server) -> None:
    url = postgres_server.database()
    stores = [await asyncio.to_thread(Store.connect, url) for _ in range(2)]
    waits = await asyncio.gather(*(stores[n % 2].take_turn("identify/0", 50.0) for n in range(4)))
    assert sorted(waits) == pytest.approx([0, 50, 100, 150], abs=5)
    for store in stores:
        await store.close()


async def test_bots_of_other_databases_on_the_same_server_are_none_of_its_business(postgres_server: Server) -> None:
    first, second = postgres_server.database(), postgres_server.database()
    here, there = ServerOwner(first), ServerOwner(second)
    await here.take(ShardRange(0, 0, 4), 0)
    await there.take(ShardRange(0, 0, 8), 0)
    with pytest.raises(lock.Held, match="shard 0 of 8"):  # there it is somebody's
        await ServerOwner(second).take(ShardRange(0, 0, 8), 0)
    for owner in (here, there):
        await asyncio.to_thread(owner.release)
