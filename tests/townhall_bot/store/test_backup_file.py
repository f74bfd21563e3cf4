"""What a backup is as a file: one, on the disk, and nothing beside it where it failed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from townhall_bot.store import Store, StoreError
from townhall_bot.store.backup import back_up


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "townhall.db"
    store = Store.open(path)
    await store.set_value("key", "value " * 10_000)
    await store.close()
    return path


def test_a_backup_is_read_from_a_medium_that_takes_no_log_beside_it(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups" / "townhall.db"
    target.parent.mkdir()
    back_up(database, target)
    with contextlib.closing(sqlite3.connect(f"file:{target}?mode=ro", uri=True)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("SELECT count(*) FROM core_value").fetchone() == (1,)
        assert [path.name for path in target.parent.iterdir()] == ["townhall.db"]


def test_a_backup_and_its_name_are_on_the_disk_before_it_is_reported(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    target = tmp_path / "backup.db"
    back_up(database, target)
    assert synced == [target.stat().st_ino, tmp_path.stat().st_ino]  # first what it holds, then what it is called


def test_a_backup_that_fails_leaves_nothing_behind(database: Path, tmp_path: Path) -> None:
    content = bytearray(database.read_bytes())
    content[8192 : 8192 + 4096] = b"\xff" * 4096
    database.write_bytes(bytes(content))
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(StoreError):
        back_up(database, folder / "townhall.db")
    assert list(folder.iterdir()) == []
