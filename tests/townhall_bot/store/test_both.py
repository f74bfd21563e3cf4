"""What the store promises, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.townhall_bot.store.conftest import OpenStore
from townhall_bot.store import Store, guild_settings

DAY_S = 86_400.0


async def test_settings_and_their_audit_trail_outlive_the_process(open_store: OpenStore) -> None:
    first = open_store()
    settings = first.guild_settings("gpt2")
    assert await settings.change(7, "model", "gpt2", actor_id=1) is None
    assert await settings.change(7, "model", "gpt2-xl", actor_id=2) == "gpt2"
    await first.set_value("a/b", {"c": ["ä\0", None, 1.5]})
    await first.close()
    second = open_store()
    settings = second.guild_settings("gpt2")
    assert await settings.all(7) == {"model": "gpt2-xl"}
    assert await settings.all(8) == {}
    newest, oldest = await settings.audit(7)
    assert (newest.old, newest.new, newest.actor_id, oldest.old) == ("gpt2", "gpt2-xl", 2, None)
    assert await second.values("a/") == {"a/b": {"c": ["ä\0", None, 1.5]}}
    assert await settings.reset(7, actor_id=3) == {"model": "gpt2-xl"}
    assert await settings.all(7) == {}
    await second.close()


async def test_what_a_reset_took_away_is_found_again_but_for_what_was_changed_since(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    settings = first.guild_settings("gpt2")
    await settings.change_all(7, {"a": 1, "b": [2], "c": {"d": "e"}, "f": 4}, actor_id=1)
    await first.guild_settings("other").change(7, "a", 1, actor_id=1)
    await settings.change_all(8, {"a": 8, "b": 8}, actor_id=1)
    reset = await settings.reset(7, actor_id=1)
    assert await settings.last_reset(7) == reset.number
    assert (await settings.reset(7, actor_id=1)).number != reset.number  # which took nothing
    later = second.guild_settings("gpt2")
    assert await later.taken(7, reset.number) == {"a": 1, "b": [2], "c": {"d": "e"}, "f": 4}
    assert (await later.last_reset(7), await later.last_reset(8)) == (reset.number, None)
    assert await later.taken(8, reset.number) == {}
    await first.guild_settings("other").change(7, "a", 2, actor_id=1)
    await settings.change(8, "a", None, actor_id=1)
    await settings.change(7, "b", [3], actor_id=1)
    await settings.change(7, "f", 5, actor_id=1)
    await settings.change(7, "f", None, actor_id=1)
    assert await later.taken(7, reset.number) == {"a": 1, "c": {"d": "e"}}
    await settings.change(7, "f", 5, actor_id=1)
    assert await later.last_reset(7) is None
    await first.close()
    await second.close()


async def test_fifty_change_one_key_at_once_and_the_audit_chain_is_unbroken(open_store: OpenStore) -> None:
    stores = [open_store(), open_store()]  # as two processes
    await asyncio.gather(*(stores[n % 2].guild_settings("gpt2").change(7, "count", n, actor_id=n) for n in range(50)))
    trail = (await stores[0].guild_settings("gpt2").audit(7, limit=60))[::-1]
    assert len(trail) == 50
    assert trail[0].old is None
    assert [entry.old for entry in trail[1:]] == [entry.new for entry in trail[:-1]]
    assert await stores[1].guild_settings("gpt2").get(7, "count") == trail[-1].new
    for store in stores:
        await store.close()


async def test_a_setting_changed_by_one_is_seen_by_the_other(open_store: OpenStore) -> None:
    one, other = open_store(), open_store()
    await one.guild_settings("gpt2").change(7, "model", "gpt2", actor_id=1)
    assert await other.guild_settings("gpt2").get(7, "model") == "gpt2"
    await one.close()
    await other.close()


async def test_records_are_summed_counted_sampled_and_forgotten(store: Store) -> None:
    gpt2 = store.records("gpt2")
    for n in range(20):
        await gpt2.add("request", {"tokens": n, "tok_s": 50.0}, guild_id=n % 2, label="m")
    await gpt2.add("request", {"tokens": 3}, user_id=5)
    [hour] = [each for each in await gpt2.sums("request", DAY_S) if each.label == "m"][-1:]
    assert hour.numbers["tok_s"].median == 50
    assert await gpt2.count("request", DAY_S, guild_id=1) == 10
    now = time.time()
    assert len(await gpt2.sample("request", now - 60, now + 1, 100)) == 21
    assert len(await gpt2.since("request", DAY_S, guild_id=1)) == 10
    assert (await gpt2.of_member(5), await gpt2.delete_member(5), await gpt2.of_member(5)) == (1, 1, 0)
    assert await store.forget_records_before(now + 2 * DAY_S) == 20
    assert await gpt2.since("request", DAY_S) == []


async def test_a_reset_is_the_last_change_for_some_seconds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = store.guild_settings("gpt2")
    await settings.change(7, "model", "gpt2-xl", actor_id=3)
    assert await settings.last_reset(7) is None
    done = await settings.reset(7, actor_id=3)
    assert await settings.last_reset(7) == done.number
    monkeypatch.setattr(guild_settings, "RECENT_S", -1.0)  # as if they were over
    assert await settings.last_reset(7) is None
