"""Going back to a backup: checked, only while no bot runs, whole at every moment, and nothing is thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from townhall_bot.cli import main
from townhall_bot.store import MIGRATIONS, Store, StoreError, lock
from townhall_bot.store.backup import back_up
from townhall_bot.store.restore import restore
from townhall_bot.store.schema import APPLICATION_ID


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "townhall.db"


@pytest.fixture
def backup(database: Path, tmp_path: Path) -> Path:
    """A backup that says "old", of a database that says "new" by now."""
    say(database, "old")
    back_up(database, tmp_path / "backup.db")
    say(database, "new")
    return tmp_path / "backup.db"


def say(database: Path, word: str) -> None:
    async def write() -> None:
        store = Store.open(database)
        await store.set_value("word", word)
        await store.close()

    asyncio.run(write())


def said(database: Path) -> object:
    async def read() -> object:
        store = Store.open(database)
        try:
            assert await store.damage() == ""
            return await store.get_value("word")
        finally:
            await store.close()

    return asyncio.run(read())


def left_by_a_killed_bot(database: Path, word: str) -> None:
    """Make a database whose last word is in the log beside it."""

    async def write() -> None:
        store = Store.open(database.with_name("running.db"))
        await store.set_value("word", word)
        for end in ("", "-wal", "-shm"):
            shutil.copy(f"{store.path}{end}", f"{database}{end}")
        await store.close()
        store.path.unlink()

    asyncio.run(write())


def kept(database: Path) -> list[Path]:
    return sorted(database.parent.glob("townhall-*.db"))


def beside(database: Path) -> list[str]:
    return sorted(path.name for path in database.parent.glob("townhall.db*"))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != lock.FILE}


def test_the_host_goes_back_to_a_backup_and_keeps_what_there_was(
    database: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", "backup.db"]) == 0
    told = capsys.readouterr().out
    assert f"{database}: restored, schema {len(MIGRATIONS)}\n" in told
    (before,) = kept(database)
    assert str(before) in told
    assert said(database) == "old"
    assert said(before) == "new"
    assert main(["restore", str(before)]) == 0  # and there again
    assert said(database) == "new"
    assert said(backup) == "old"


def test_on_a_new_machine_there_is_nothing_to_keep(
    database: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(database.parent)
    assert main(["restore", "backup.db"]) == 0
    assert "kept" not in capsys.readouterr().out
    assert said(database) == "old"
    assert kept(database) == []
    assert database.stat().st_mode & 0o077 == 0


def test_a_backup_comes_through_a_pipe_into_a_container(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(backup.read_bytes())))
    assert main(["restore", "-"]) == 0
    assert said(database) == "old"


def test_while_a_bot_runs_it_is_named_and_nothing_changes(
    database: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(database.parent)
    with lock.held(database.parent, 0):
        assert main(["restore", "backup.db"]) == 1
    assert f"process {os.getpid()}, running since" in capsys.readouterr().err
    assert content(database.parent) == before


def test_who_reads_the_database_meanwhile_is_not_cut_off(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    with contextlib.closing(connect(database)) as reader:
        reader.execute("SELECT * FROM core_value").fetchone()
        monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, **{**named, "timeout": 0}))
        with pytest.raises(StoreError, match="another program holds"):
            restore(backup, database)
    assert kept(database) == []
    assert said(database) == "new"


def test_the_log_of_the_old_database_is_kept_with_it_and_never_written_into_the_restored_one(
    database: Path, backup: Path
) -> None:
    left_by_a_killed_bot(database, "newest")
    assert beside(database) == ["townhall.db", "townhall.db-shm", "townhall.db-wal"]
    restore(backup, database)
    assert beside(database) == ["townhall.db"]
    assert said(database) == "old"
    assert [said(path) for path in kept(database)] == ["newest"]


def test_a_log_without_its_database_is_put_aside_too(database: Path, backup: Path) -> None:
    left_by_a_killed_bot(database, "newest")
    database.unlink()
    assert restore(backup, database).kept is None
    assert said(database) == "old"
    assert len(list(database.parent.glob("townhall-*.db-wal"))) == 1


def test_a_damaged_database_is_kept_as_it_is(database: Path, backup: Path) -> None:
    database.write_bytes(b"no database " * 500)
    restore(backup, database)
    assert said(database) == "old"
    assert [path.read_bytes() for path in kept(database)] == [b"no database " * 500]


def test_what_only_the_log_of_a_damaged_database_still_holds_is_kept(database: Path, backup: Path) -> None:
    left_by_a_killed_bot(database, "newest")
    database.write_bytes(b"no database " * 500)
    restore(backup, database)
    assert [said(path) for path in (database, *kept(database))] == ["old", "newest"]


def test_an_older_backup_is_told_to_be_moved_up(database: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with sqlite3.connect(old) as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute("INSERT INTO core_value VALUES ('word', '\"first\"')")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    database.parent.mkdir()
    assert restore(old, database).state == f"schema 1; the next start moves it to {len(MIGRATIONS)}"
    assert said(database) == "first"


@pytest.fixture
def useless(backup: Path, database: Path, tmp_path: Path) -> dict[str, Path]:
    """Files that are no sound backup for this version."""
    files = {name: tmp_path / name for name in ("missing", "letter", "empty", "damaged", "newer", "itself")}
    files["letter"].write_text("Dear Ada")
    files["empty"].touch()
    files["damaged"].write_bytes(backup.read_bytes()[:4096] + b"\xff" * 4096 + backup.read_bytes()[8192:])
    shutil.copy(backup, files["newer"])
    with sqlite3.connect(files["newer"]) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    files["itself"].symlink_to(database)
    return files


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "there is no file"),
        ("letter", "is no backup of Townhall's"),
        ("empty", "is no backup of Townhall's"),
        ("damaged", "is damaged"),
        ("newer", "newer Townhall"),
        ("itself", "is the database itself"),
    ],
)
def test_what_is_no_sound_backup_is_refused_and_nothing_changes(
    name: str, why: str, useless: dict[str, Path], database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(database.parent)
    assert main(["restore", str(useless[name])]) == 1
    assert why in capsys.readouterr().err
    assert content(database.parent) == before


def test_a_misspelt_name_makes_no_data_folder(database: Path) -> None:
    assert main(["restore", "bakup.db"]) == 1
    assert not database.parent.exists()


def test_a_full_disk_leaves_the_database_as_it_was(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def on_a_full_disk(path: Any, **options: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(path, **options)
        if not options.get("uri") and path != database:
            made.execute("PRAGMA max_page_count = 2")
        return made

    before = content(database.parent)
    with monkeypatch.context() as small:
        small.setattr(sqlite3, "connect", on_a_full_disk)
        with pytest.raises(StoreError, match=r"the disk is full at .*data"):
            restore(backup, database)
    assert content(database.parent) == before


class Killed(BaseException):
    """The end of the process, as far as the code can tell."""


@contextlib.contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let the process end at its ``step``-th change of the folder; yields the changes that were made."""
    done: list[str] = []

    def change(name: str, real: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if len(done) >= step:
            raise Killed
        done.append(name)
        return real(*args, **named)

    with monkeypatch.context() as patch:
        for name in ("link", "replace", "unlink", "fsync"):
            patch.setattr(os, name, partial(change, name, getattr(os, name)))
        yield done


def test_whenever_it_is_killed_the_database_is_the_old_or_the_restored_one_whole(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = []
    for step in range(20):
        left_by_a_killed_bot(database, "newest")
        with killed_at(step, monkeypatch) as done:
            try:
                restore(backup, database)
            except Killed:
                finished = False
            else:
                finished = True
        words.append(said(database))
        if finished:
            break
    assert finished
    assert {"link", "replace", "fsync"} <= set(done)
    assert words == sorted(words, key=str)  # up to one step the old one, from then on the other
    assert set(words) == {"newest", "old"}


def test_a_file_system_without_second_names_keeps_the_old_one_too(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    restore(backup, database)
    assert [said(path) for path in (database, *kept(database))] == ["old", "new"]


def test_two_restores_within_a_second_keep_both(database: Path, backup: Path) -> None:
    def noon() -> datetime:
        return datetime(2026, 11, 22, 12, tzinfo=UTC)

    first = restore(backup, database, now=noon)
    say(database, "later")
    second = restore(backup, database, now=noon)
    assert [path and path.name for path in (first.kept, second.kept)] == [
        "townhall-2026-11-22-120000.db",
        "townhall-2026-11-22-120000-2.db",
    ]
    assert [said(path) for path in kept(database)] == ["later", "new"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for another user")
def test_what_root_restores_belongs_to_the_bots_user(database: Path, backup: Path) -> None:
    for theirs in (database.parent, database):
        os.chown(theirs, 65534, 65534)
    restore(backup, database)
    for made in (database, database.with_name(lock.FILE)):
        assert (made.stat().st_uid, made.stat().st_gid) == (65534, 65534)
