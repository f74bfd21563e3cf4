"""SQLite's own file: who may read it, what is no such file, and that damage is told with a cure."""

import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from townhall_bot.store import MIGRATIONS, Store, StoreError
from townhall_bot.store.schema import APPLICATION_ID

GUILD = 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "townhall.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = Store.open(path)
    yield store
    await store.close()


async def test_sql_runs_on_one_thread_that_is_not_the_event_loops(store: Store) -> None:
    threads = set()
    for _ in range(3):
        threads.add(await store._db.read(lambda _: threading.current_thread().name))
    assert len(threads) == 1
    assert threads != {threading.current_thread().name}


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
