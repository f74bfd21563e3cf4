"""A backup is made while the bot writes, is whole, and never stands in the place of something else."""

import asyncio
import sqlite3
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from townhall_bot.cli import main
from townhall_bot.store import Store, StoreError
from townhall_bot.store.backup import back_up

GUILD, ADA = 10, 1


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "townhall.db"


async def test_a_backup_made_in_the_middle_of_writes_is_whole(database: Path, tmp_path: Path) -> None:
    store = Store.open(database)
    settings = store.guild_settings("gpt2")

    async def write() -> None:
        for number in range(1, 10_000):
            await settings.change(GUILD, "count", number, actor_id=ADA)

    writing = asyncio.create_task(write())
    while await settings.get(GUILD, "count", 0) < 20:
        pass
    for name in ("first", "second", "second"):
        await asyncio.to_thread(back_up, database, tmp_path / name)
    writing.cancel()
    await asyncio.wait({writing})
    latest = await settings.get(GUILD, "count")
    await store.close()

    copy = Store.open(tmp_path / "second")
    kept = await copy.guild_settings("gpt2").get(GUILD, "count")
    trail = [entry.new for entry in await copy.guild_settings("gpt2").audit(GUILD, limit=10_000)]
    await copy.close()
    assert 20 <= kept <= latest
    assert trail[0] == kept
    assert all(later == earlier + 1 for later, earlier in pairwise(trail))


async def test_only_the_host_can_read_a_backup_and_nothing_else_is_left(database: Path, tmp_path: Path) -> None:
    await Store.open(database).close()
    back_up(database, tmp_path / "backup")
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert names(tmp_path) == ["backup", "data"]


async def test_a_file_of_another_kind_is_not_replaced(database: Path, tmp_path: Path) -> None:
    await Store.open(database).close()
    (tmp_path / "letter.txt").write_text("Dear Ada")
    with pytest.raises(StoreError, match="no backup of Townhall's"):
        back_up(database, tmp_path / "letter.txt")
    assert (tmp_path / "letter.txt").read_text() == "Dear Ada"


def test_without_a_database_there_is_nothing_to_copy(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "copy.db"]) == 1
    assert "no database" in capsys.readouterr().err
    assert not Path("copy.db").exists()


async def test_a_damaged_database_does_not_replace_a_good_backup(database: Path, tmp_path: Path) -> None:
    store = Store.open(database)
    for number in range(1, 200):
        await store.set_value(f"key/{number}", "words " * 50)
    await store.close()
    back_up(database, tmp_path / "backup")
    good = (tmp_path / "backup").read_bytes()
    with database.open("r+b") as file:
        file.seek(4096 * 6)
        file.write(b"\xff" * 4096 * 4)
    with pytest.raises(StoreError, match="damaged"):
        back_up(database, tmp_path / "backup")
    assert (tmp_path / "backup").read_bytes() == good


async def test_the_database_of_a_running_bot_is_never_replaced_by_its_own_copy(database: Path, tmp_path: Path) -> None:
    store = Store.open(database)
    (tmp_path / "link").symlink_to(database)
    for target in (database, tmp_path / "link"):
        with pytest.raises(StoreError, match="is the database itself"):
            back_up(database, target)
    await store.set_value("after", 1)
    await store.close()
    again = Store.open(database)
    assert await again.get_value("after") == 1
    await again.close()


async def test_a_place_that_takes_no_backup_is_named(database: Path, tmp_path: Path) -> None:
    await Store.open(database).close()
    with pytest.raises(StoreError, match=r"not takes no copy: No such file or directory\. Choose a folder"):
        back_up(database, tmp_path / "not" / "backup")
    with pytest.raises(StoreError, match="is a folder"):
        back_up(database, tmp_path)


async def test_a_full_disk_is_that_of_the_backup_not_of_the_database(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Store.open(database).close()
    connect = sqlite3.connect

    def on_a_small_disk(path: Path, **options: Any) -> Any:
        made = connect(path, **options)
        if path != database:
            made.execute("PRAGMA max_page_count = 2")
        return made

    monkeypatch.setattr(sqlite3, "connect", on_a_small_disk)
    (tmp_path / "usb").mkdir()
    with pytest.raises(StoreError, match=r"disk is full at .*usb"):
        back_up(database, tmp_path / "usb" / "backup")
    assert names(tmp_path / "usb") == []
