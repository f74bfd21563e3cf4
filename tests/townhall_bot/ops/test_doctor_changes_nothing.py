"""``townhall doctor`` looks and leaves everything as it was, and tells each line when it knows it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from townhall_bot.cli import main
from townhall_bot.ops import doctor
from townhall_bot.plugins import Check, Plugin, discovery
from townhall_bot.plugins.discovery import gather
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.plugins.registry import FAILURE_KEY
from townhall_bot.rehearsal import rehearse
from townhall_bot.settings import Settings
from townhall_bot.store import MIGRATIONS, Store
from townhall_bot.store.schema import APPLICATION_ID


class Lamp(Plugin):
    """Notes, while it is looked at, what the host has seen by then."""

    name = "lamp"
    seen: ClassVar[list[str]] = []
    capture: ClassVar[pytest.CaptureFixture[str] | None] = None

    def commands(self) -> Sequence[Any]:
        return ()

    @classmethod
    def checks(cls, settings: Any, data_dir: Path) -> Sequence[Check]:
        if cls.capture is not None:
            cls.seen.append(cls.capture.readouterr().out)
        return [Check("lamp", True, "burns")]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def find(settings: Settings) -> list[LoadedPlugin]:
        return gather([Lamp])

    monkeypatch.setattr(discovery, "find_plugins", find)
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def first_version(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute(f"INSERT INTO core_value VALUES ('{FAILURE_KEY}lamp', '\"failed at start(): no oil\"')")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    db.close()


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder but SQLite's index of a log, which each reader keeps its place in."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def examine() -> dict[str, Check]:
    return {check.name: check async for check in doctor.examine(rehearse, env_file=None, online=False)}


async def test_an_older_database_stays_as_it_is_and_the_host_is_told_what_will_become_of_it(data_dir: Path) -> None:
    first_version(data_dir / "townhall.db")
    before = content(data_dir)
    checks = await examine()
    assert checks["database"] == Check(
        "database",
        True,
        f"{data_dir / 'townhall.db'}, schema 1; the next start moves it to {len(MIGRATIONS)}",
    )
    assert checks["plugin lamp"].detail == "at the bot's last start it failed at start(): no oil"
    assert content(data_dir) == before
    assert names(data_dir) == ["townhall.db"]  # nor a log, nor a plugin's folder


async def test_a_newer_database_fails_with_the_stores_own_cure(data_dir: Path) -> None:
    await Store.open(data_dir / "townhall.db").close()
    with sqlite3.connect(data_dir / "townhall.db") as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = content(data_dir)
    check = (await examine())["database"]
    assert not check.ok
    assert "newer Townhall" in check.detail
    assert check.cure.startswith("Install that version again")
    assert content(data_dir) == before


async def test_before_the_first_start_nothing_is_made(tmp_path: Path, data_dir: Path) -> None:
    checks = await examine()
    assert [check for check in checks.values() if not check.ok] == []
    assert checks["database"].detail.endswith("townhall.db, which the first start makes")
    assert checks["data folder"].detail == f"{data_dir}, which the first start makes"
    assert names(tmp_path) == []


async def test_what_a_running_bot_has_just_written_is_seen_and_left_to_it(data_dir: Path) -> None:
    store = Store.open(data_dir / "townhall.db")
    await store.set_value(FAILURE_KEY + "lamp", "failed at start(): no wick")
    before = content(data_dir)
    assert "townhall.db-wal" in before
    checks = await examine()
    assert checks["database"].detail.endswith(f"schema {len(MIGRATIONS)}")
    assert "no wick" in checks["plugin lamp"].detail
    assert content(data_dir) == before
    await store.set_value("after", 1)
    await store.close()


async def test_what_a_killed_bot_left_in_its_log_is_seen_and_stays_there(data_dir: Path, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "running" / "townhall.db")
    await store.set_value(FAILURE_KEY + "lamp", "failed at start(): no wick")
    shutil.copytree(tmp_path / "running", data_dir, ignore=shutil.ignore_patterns("*-shm"))
    await store.close()
    before = content(data_dir)
    assert "no wick" in (await examine())["plugin lamp"].detail
    assert content(data_dir) == before


async def test_a_plugins_folder_that_cannot_be_written_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp = data_dir / "plugins" / "lamp"
    lamp.mkdir(parents=True)
    make = tempfile.TemporaryFile

    def refuse(dir: Path) -> Any:
        if dir == lamp:
            raise PermissionError(13, "Permission denied")
        return make(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    check = (await examine())["data folder"]
    assert (check.ok, check.detail) == (False, f"{lamp}: Permission denied")


async def test_without_room_for_trying_the_plugins_on_the_host_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    check = (await examine())["plugins"]
    assert not check.ok
    assert "TMPDIR" in check.cure


def test_each_line_is_there_before_the_next_check_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lamp, "capture", capsys)
    monkeypatch.setattr(Lamp, "seen", [])
    assert main(["doctor", "--offline"]) == 0
    assert "python: " in Lamp.seen[0]
    assert "plugin lamp: " in Lamp.seen[0]
    assert "lamp: burns" not in Lamp.seen[0]
    assert "lamp: burns" in capsys.readouterr().out
