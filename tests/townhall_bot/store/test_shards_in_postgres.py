"""Shards' owners and turns where the database is a server's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.townhall_bot.store.conftest import Server
from townhall_bot.shard_range import ShardRange
from townhall_bot.shards import server_owner
from townhall_bot.shards.server_owner import ServerOwner
from townhall_bot.store import Store, lock
from townhall_bot.store.postgres import Postgres


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


def cut_off(url: str, name: str) -> None:
    """End every connection of that name, as a network that breaks does."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE ?"
    Postgres.open(url, lambda db: db.execute(ended, (f"{name}%",))).end()


async def test_an_owner_whose_connection_breaks_has_its_shards_again(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.database()
    owner, other = ServerOwner(url, ping_s=0.02), ServerOwner(url)
    again = threading.Event()
    monkeypatch.setattr(server_owner.log, "warning", lambda said, *rest: again.set() if "held again" in said else None)
    await owner.take(ShardRange(0, 0, 2), 0)
    await asyncio.to_thread(cut_off, url, "townhall shards 0/2")
    assert await asyncio.to_thread(again.wait, 10)
    with pytest.raises(lock.Held, match="shard 0 of 2 is served by another"):
        await other.take(ShardRange(0, 0, 2), 0)
    await asyncio.to_thread(owner.release)


async def test_who_finds_its_shards_taken_when_it_is_back_stops(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.database()
    owner, heir = ServerOwner(url, ping_s=0.5), ServerOwner(url)
    stopped = threading.Event()
    monkeypatch.setattr("townhall_bot.shards.server_owner.os.kill", lambda pid, number: stopped.set())
    await owner.take(ShardRange(0, 0, 2), 0)
    await asyncio.to_thread(cut_off, url, "townhall shards 0/2")
    await heir.take(ShardRange(0, 0, 2), 5)  # before the owner has noticed
    assert await asyncio.to_thread(stopped.wait, 10)
    await asyncio.to_thread(owner.release)
    await asyncio.to_thread(heir.release)


@pytest.mark.slow
async def test_a_killed_owners_shards_are_taken_over(postgres_server: Server) -> None:
    url = postgres_server.database()
    program = (
        "import asyncio, signal, sys\nfrom townhall_bot.shard_range import ShardRange\n"
        "from townhall_bot.shards.server_owner import ServerOwner\n"
        "owner = ServerOwner(sys.argv[1])\nasyncio.run(owner.take(ShardRange(0, 1, 2), 0))\n"
        "print('owns', flush=True)\nsignal.pause()\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220 - it is only begun here; what waits for it is a thread
        [sys.executable, "-c", program, url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as owner:
        assert owner.stdout is not None
        assert await asyncio.to_thread(owner.stdout.readline) == b"owns\n"
        heir = ServerOwner(url)
        with pytest.raises(lock.Held):
            await heir.take(ShardRange(0, 1, 2), 0)
        owner.kill()
        await heir.take(ShardRange(0, 1, 2), 10)
        await asyncio.to_thread(heir.release)
