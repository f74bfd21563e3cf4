"""tinygrad's kernel cache: kept where it can be, and never the reason that a model does not load."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tinygrad import helpers

from plugins.gpt2.model import device
from plugins.gpt2.model.cache.kernel_cache import KernelCache

Log = pytest.LogCaptureFixture


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where tinygrad keeps its kernels for the length of a test."""
    level = helpers.CACHELEVEL.value
    monkeypatch.setattr(helpers, "CACHEDB", str(tmp_path / "cache/kernels-x.db"))
    monkeypatch.setattr(helpers, "_db_tables", set())
    monkeypatch.setattr(device, "_opened", [])
    yield tmp_path / "cache/kernels-x.db"
    helpers.CACHELEVEL.value = level


def keep(key: str, value: object) -> None:
    assert helpers.diskcache_put("table", key, value) == value


def kept(key: str) -> object:
    return helpers.diskcache_get("table", key)


def next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    device._opened[0].attempt(lambda connection: connection.close())
    monkeypatch.setattr(helpers, "_db_tables", set())
    monkeypatch.setattr(device, "_opened", [])


def test_what_is_kept_is_found_by_the_next_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept("a") is None
    keep("a", [1, 2])
    next_process(monkeypatch)
    assert kept("a") == [1, 2]
    keep("a", 3)
    assert kept("a") == 3


@pytest.mark.parametrize("damage", ["no database", "pages", "empty"])
def test_a_damaged_cache_is_made_anew(path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Log, damage: str) -> None:
    for number in range(40):
        keep(f"key {number}", os.urandom(2000))
    next_process(monkeypatch)  # the last one that closes it writes all into the one file
    whole = path.read_bytes()
    damaged = {"no database": b"x" * 9000, "pages": whole[:4096] + b"\xff" * (len(whole) - 4096), "empty": b""}
    path.write_bytes(damaged[damage])
    for number in range(40):
        if kept(f"key {number}") is None:
            keep(f"key {number}", number)
    assert len([record for record in caplog.records if "damaged" in record.message]) == (damage != "empty")
    next_process(monkeypatch)
    assert kept("key 39") == 39


def test_a_flipped_bit_is_as_good_as_nothing(path: Path) -> None:
    keep("a", b"code" * 100)
    connection = sqlite3.connect(path)
    with connection:
        (name,) = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'table_%'").fetchone()
        (value,) = connection.execute(f"SELECT val FROM {name}").fetchone()
        connection.execute(f"UPDATE {name} SET val = ?", (value[:50] + b"\0" + value[51:],))
    connection.close()
    assert kept("a") is None


@pytest.mark.parametrize("fault", ["full", "a file for a folder", "a folder for a file"])
def test_a_cache_that_cannot_be_written_is_said_once_and_done_without(path: Path, caplog: Log, fault: str) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if fault == "full":
        keep("a", 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    elif fault == "a file for a folder":
        path.parent.write_text("")
    else:
        path.mkdir(parents=True)
    try:
        for number in range(10):
            keep(f"key {number}", os.urandom(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [record.message.partition(" (")[0] for record in caplog.records] == [f"no kernel cache in {path}"]


def test_a_file_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    path, gone = tmp_path / "letters.db", []
    path.write_bytes(b"Dear Ada," * 1000)
    cache = KernelCache(path, ours=False, gone=lambda: gone.append(errno.ENOENT))
    assert gone
    assert cache.cursor().execute("SELECT val FROM t WHERE key=?", ("a",)).fetchone() is None
    assert path.read_bytes().startswith(b"Dear Ada,")
