"""Settings of servers survive restarts and kills; who changed what is known; damage is told with a cure."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from townhall_bot.store import MIGRATIONS, Store, StoreError
from townhall_bot.store.schema import APPLICATION_ID

GUILD, OTHER_GUILD, ADA, BEN = 10, 11, 1, 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "townhall.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = Store.open(path)
    yield store
    await store.close()


async def test_a_setting_is_there_after_a_restart(path: Path) -> None:
    first = Store.open(path)
    await first.guild_settings("gpt2").change(GUILD, "model", "gpt2-medium", actor_id=ADA)
    await first.close()
    second = Store.open(path)
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


async def test_sql_runs_on_one_thread_that_is_not_the_event_loops(store: Store) -> None:
    threads = set()
    for _ in range(3):
        threads.add(await store._db.read(lambda _: threading.current_thread().name))
    assert len(threads) == 1
    assert threads != {threading.current_thread().name}


async def test_after_closing_nothing_is_written(path: Path) -> None:
    store = Store.open(path)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="stopping"):
        await store.set_value("late", 1)


def test_a_file_that_is_no_database_is_refused_with_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "townhall.db"
    path.write_bytes(b"Four score and seven years ago" * 100)
    with pytest.raises(StoreError, match=r"townhall\.db.*Restore a backup"):
        Store.open(path)
    assert path.read_bytes().startswith(b"Four score")


async def test_a_database_of_a_newer_townhall_is_left_alone(path: Path, tmp_path: Path) -> None:
    await Store.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer Townhall"):
        Store.open(path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "townhall.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Store.open(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="TOWNHALL_DATA_DIR"):
        Store.open(tmp_path / "file" / "townhall.db")


async def test_a_sound_file_has_no_damage(store: Store) -> None:
    assert await store.damage() == ""


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


async def test_a_database_of_the_first_version_is_brought_up_to_date_with_its_settings(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute("INSERT INTO guild_setting VALUES ('gpt2', 10, 'count', '60')")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    store = Store.open(path)
    assert await store.guild_settings("gpt2").all(GUILD) == {"count": 60}
    await store.records("gpt2").add("request", {"tokens": 1})
    await store.close()


async def test_nobody_but_the_bots_user_can_read_it(store: Store) -> None:
    await store.set_value("key", 1)
    for file in store.path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
