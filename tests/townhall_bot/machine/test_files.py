"""A file is written whole or not at all, whoever writes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from townhall_bot.machine.files import part_of, write_atomically


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write_slowly(path: Path) -> Generator[None, None, None]:
    with write_atomically(path) as file:
        file.write(b"ne")
        yield
        file.write(b"w")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "settings").write_text("old")
    return tmp_path / "settings"


def test_the_new_file_is_there_when_all_of_it_is_written(path: Path) -> None:
    with write_atomically(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(path.parent) == ["settings"]


def test_it_is_for_its_owner_alone(path: Path) -> None:
    with write_atomically(path) as file:
        file.write(b"a secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_goes_wrong_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    writing = write_slowly(path)
    next(writing)
    with pytest.raises(OSError, match="disk is full"):
        writing.throw(OSError("the disk is full"))
    assert path.read_text() == "old"
    assert names(path.parent) == ["settings"]


def test_who_gives_up_half_way_leaves_nothing(path: Path) -> None:
    writing = write_slowly(path)
    next(writing)
    writing.close()
    assert path.read_text() == "old"
    assert names(path.parent) == ["settings"]


@pytest.mark.parametrize(("durable", "synced"), [(True, [".settings.", "settings's folder"]), (False, [])])
def test_what_must_last_is_on_the_disk_with_its_name_before_it_is_said_to_be(
    path: Path, durable: bool, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, fsync = [], os.fsync

    def note(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        found.append("settings's folder" if name == path.parent.name else name[: len(".settings.")])
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with write_atomically(path, durable=durable) as file:
        file.write(b"new")
    assert found == synced


def test_an_unfinished_file_can_have_a_name_that_tells_it(path: Path) -> None:
    with part_of(path, ".making-") as part:
        assert part.name.startswith(".making-")
    assert not part.exists()


def test_where_there_is_no_folder_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_atomically(tmp_path / "nowhere" / "settings"):
        pytest.fail("there is nothing to write to")
