"""Settings of servers survive restarts, and who changed what is known; in SQLite and in PostgreSQL."""

import asyncio
import time
from itertools import pairwise

import pytest

from tests.townhall_bot.store.conftest import OpenStore
from townhall_bot.store import Store, StoreError

GUILD, OTHER_GUILD, ADA, BEN = 10, 11, 1, 2


async def test_a_setting_is_there_after_a_restart(open_store: OpenStore) -> None:
    first = open_store()
    await first.guild_settings("gpt2").change(GUILD, "model", "gpt2-medium", actor_id=ADA)
    await first.close()
    second = open_store()
    assert await second.guild_settings("gpt2").get(GUILD, "model") == "gpt2-medium"
    await second.close()


async def test_each_server_and_each_plugin_has_its_own(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    await settings.change(GUILD, "model", "gpt2", actor_id=ADA)
    assert await settings.get(OTHER_GUILD, "model", "default") == "default"
    assert await store.guild_settings("ping").all(GUILD) == {}
    assert await settings.all(GUILD) == {"model": "gpt2"}


async def test_values_of_every_json_kind_come_back_as_they_were(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    values = {"number": 1.5, "list": [1, "two"], "flag": False, "text": "Grüße 🙂", "zero": 0, "nested": {"a": [None]}}
    for key, value in values.items():
        await settings.change(GUILD, key, value, actor_id=ADA)
    assert await settings.all(GUILD) == values


async def test_the_audit_trail_tells_who_changed_what_newest_first(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    assert await settings.change(GUILD, "model", "gpt2", actor_id=ADA) is None
    assert await settings.change(GUILD, "model", "gpt2-xl", actor_id=BEN) == "gpt2"
    newest, oldest = await settings.audit(GUILD)
    assert (newest.actor_id, newest.key, newest.old, newest.new) == (BEN, "model", "gpt2", "gpt2-xl")
    assert (oldest.actor_id, oldest.old, oldest.new) == (ADA, None, "gpt2")
    assert newest.at >= oldest.at
    assert newest.at.tzinfo is not None
    assert await settings.audit(OTHER_GUILD) == []
    assert len(await settings.audit(GUILD, limit=1)) == 1


async def test_setting_what_is_already_set_leaves_no_line(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    await settings.change(GUILD, "count", 60, actor_id=ADA)
    assert await settings.change(GUILD, "count", 60, actor_id=BEN) == 60
    assert len(await settings.audit(GUILD)) == 1


async def test_a_reset_goes_back_to_the_defaults_and_says_so(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    await settings.change(GUILD, "count", 60, actor_id=ADA)
    await settings.change(GUILD, "model", "gpt2", actor_id=ADA)
    await settings.change(OTHER_GUILD, "model", "gpt2", actor_id=ADA)
    assert await settings.reset(GUILD, actor_id=BEN) == {"count": 60, "model": "gpt2"}
    assert await settings.all(GUILD) == {}
    assert await settings.all(OTHER_GUILD) == {"model": "gpt2"}
    assert {(entry.key, entry.new) for entry in (await settings.audit(GUILD))[:2]} == {("count", None), ("model", None)}


async def test_none_takes_one_setting_back(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    await settings.change(GUILD, "count", 60, actor_id=ADA)
    assert await settings.change(GUILD, "count", None, actor_id=ADA) == 60
    assert await settings.get(GUILD, "count", 40) == 40


async def test_a_value_that_is_no_json_changes_nothing(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    with pytest.raises(TypeError):
        await settings.change(GUILD, "model", object(), actor_id=ADA)
    assert await settings.all(GUILD) == {}
    assert await settings.audit(GUILD) == []


async def test_the_core_keeps_values_of_its_own(store: Store) -> None:
    await store.set_value("commands/1/everywhere", "abc")
    await store.set_value("commands_1", "not one of them")
    assert await store.get_value("commands/1/everywhere") == "abc"
    assert await store.values("commands/") == {"commands/1/everywhere": "abc"}
    await store.set_value("commands/1/everywhere", None)
    assert await store.get_value("commands/1/everywhere", "gone") == "gone"


async def test_changes_at_once_do_not_mix(store: Store) -> None:
    settings = store.guild_settings("gpt2")
    await asyncio.gather(*(settings.change(GUILD, "count", number, actor_id=number) for number in range(1, 51)))
    trail = list(reversed(await settings.audit(GUILD, limit=100)))
    assert len(trail) == 50
    assert all(later.old == earlier.new for earlier, later in pairwise(trail))


async def test_after_closing_nothing_is_written(open_store: OpenStore) -> None:
    store = open_store()
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="stopping"):
        await store.set_value("late", 1)


async def test_what_a_plugin_counts_is_found_by_kind_time_and_server(store: Store) -> None:
    records = store.records("gpt2")
    now = time.time()
    await records.add("request", {"tokens": 1}, guild_id=GUILD, user_id=ADA, at=now - 90_000)
    await records.add("request", {"tokens": 40, "seconds": 1.5}, guild_id=GUILD, user_id=ADA, label="gpt2", at=now - 60)
    await records.add("request", {"tokens": 7}, guild_id=OTHER_GUILD, user_id=BEN, at=now - 30)
    await records.add("speed", {"tokens": 9})
    await store.records("ping").add("request", {"tokens": 5})
    day = await records.since("request", 86_400)
    assert [record.numbers for record in day] == [{"tokens": 40, "seconds": 1.5}, {"tokens": 7}]
    assert (day[0].label, day[0].guild_id, day[0].user_id) == ("gpt2", GUILD, ADA)
    assert [record.user_id for record in await records.since("request", 86_400, guild_id=OTHER_GUILD)] == [BEN]


async def test_a_record_never_keeps_what_somebody_wrote(store: Store) -> None:
    for value in ("My fellow citizens", float("nan"), True, None):
        with pytest.raises(TypeError, match="prompt"):
            await store.records("gpt2").add("request", {"prompt": value})  # type: ignore[dict-item] # the point
    assert await store.records("gpt2").since("request", 60) == []


async def test_a_members_records_go_when_the_member_says_so_and_all_go_with_time(store: Store) -> None:
    records = store.records("gpt2")
    now = time.time()
    await records.add("request", {"tokens": 1}, user_id=ADA, at=now)
    await records.add("cancel", {}, user_id=ADA, at=now)
    await records.add("request", {"tokens": 2}, user_id=BEN, at=now - 100)
    assert await records.of_member(ADA) == 2
    assert await records.delete_member(ADA) == 2
    assert await records.of_member(ADA) == 0
    assert await records.of_member(BEN) == 1
    assert await store.forget_records_before(now - 50) == 1
    assert await records.since("request", 1000) == []
