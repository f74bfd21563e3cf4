"""Files that belong to somebody else: whose they are is said, and what to do; what may be read is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from townhall_bot.ops import doctor
from townhall_bot.store import Store, StoreError, lock
from townhall_bot.store.backup import back_up
from townhall_bot.store.read_only import inspect

NOBODY = 65534


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that others can reach too; pytest's own are closed to them."""
    place = Path(tempfile.mkdtemp(prefix="townhall-access-"))
    place.chmod(0o755)
    (place / "data").mkdir()
    yield place / "data"
    shutil.rmtree(place)


@contextlib.contextmanager
def another_user() -> Iterator[str]:
    """Be another user for a moment; gives the name."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(NOBODY)
    try:
        yield pwd.getpwuid(NOBODY).pw_name
    finally:
        os.seteuid(0)


def made(path: Path) -> None:
    asyncio.run(Store.open(path).close())


def share(place: Path) -> None:
    """Let everybody read, and enter a folder."""
    place.chmod(0o755 if place.is_dir() else 0o644)


def test_a_database_of_another_user_is_named_with_both_users_and_the_cure(data_dir: Path) -> None:
    path = data_dir / "townhall.db"
    made(path)  # mode 0600, as `docker cp` leaves a file of root's
    data_dir.chmod(0o777)
    with another_user() as name, pytest.raises(StoreError) as caught:
        Store.open(path)
    assert caught.value.problem == f"{path} belongs to root (mode 0600), and this runs as {name}"
    assert caught.value.cure == f"Run `chown {name} {path}` as root, or run this as root."
    with another_user(), pytest.raises(StoreError, match="belongs to root"):
        inspect(path)


def test_a_database_that_others_may_only_read_is_looked_at_and_not_opened(data_dir: Path) -> None:
    path = data_dir / "townhall.db"
    made(path)
    path.chmod(0o644)
    with another_user():
        assert inspect(path).damage == ""
        with pytest.raises(StoreError, match=r"data belongs to root \(mode 0755\).*chown -R"):
            Store.open(path)
    data_dir.chmod(0o777)
    with another_user(), pytest.raises(StoreError, match=r"townhall\.db belongs to root \(mode 0644\)"):
        Store.open(path)


async def test_the_log_of_a_running_bot_is_read_in_a_folder_that_takes_no_file(data_dir: Path) -> None:
    store = Store.open(data_dir / "townhall.db")
    await store.set_value("key", 1)
    for end in ("", "-wal", "-shm"):
        share(store.path.with_name(f"townhall.db{end}"))
    with another_user():
        assert inspect(store.path).values == {"key": 1}
    await store.close()


def test_a_folder_of_another_user_is_named_where_the_bot_takes_its_lock(data_dir: Path) -> None:
    with another_user() as name, pytest.raises(StoreError) as caught, lock.held(data_dir, 0):
        pass
    assert caught.value.cure == f"Run `chown -R {name} {data_dir}` as root, or run this as root."


def test_a_closed_folder_is_named_to_who_looks_and_to_who_backs_up(data_dir: Path) -> None:
    path = data_dir / "townhall.db"
    made(path)
    data_dir.chmod(0o700)
    with another_user() as name:
        for use in (inspect, lambda path: back_up(path, data_dir.parent / "backup.db")):
            with pytest.raises(StoreError, match=r"data belongs to root \(mode 0700\)"):
                use(path)
        check = doctor.data_folder(data_dir)
        assert (check.ok, check.cure) == (False, f"Run `chown -R {name} {data_dir}` as root, or run this as root.")


def test_a_user_that_the_system_has_no_name_for_is_told_by_number(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    path = data_dir / "townhall.db"
    made(path)
    data_dir.chmod(0o777)
    with another_user(), monkeypatch.context() as nameless:
        nameless.setattr(pwd, "getpwuid", unknown)
        with pytest.raises(StoreError, match=f"belongs to 0 .*`chown {NOBODY} "):
            Store.open(path)


def test_who_took_the_rights_from_its_own_file_gives_them_back(data_dir: Path) -> None:
    path = data_dir / "townhall.db"
    made(path)
    data_dir.chmod(0o777)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, -1)
    path.chmod(0o400)
    with another_user() if os.geteuid() == 0 else contextlib.nullcontext(), pytest.raises(StoreError) as caught:
        Store.open(path)
    assert str(caught.value) == f"{path} has the mode 0400. Run `chmod u+rw {path}`."


def test_what_is_not_a_matter_of_rights_is_not_blamed_on_them(data_dir: Path) -> None:
    path = data_dir / "townhall.db"
    made(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.MonkeyPatch.context() as hurried:
            connect = sqlite3.connect
            hurried.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, **{**named, "timeout": 0}))
            with pytest.raises(StoreError, match=r"another program holds .*townhall\.db"):
                Store.open(path)
