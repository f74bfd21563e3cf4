"""Training townhall-mini: its documents, and the command that the script gives on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import train_mini
from tools.mini_corpus import read_documents


def test_documents_come_shuffled_the_same_way_every_time_without_their_sources(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/SOURCE").write_text("where from")
    for number in range(20):
        (tmp_path / f"part/{number:02}.txt").write_text(f"text {number}")
    texts = read_documents(tmp_path)
    assert sorted(texts) == sorted(f"text {number}" for number in range(20))
    assert texts == read_documents(tmp_path) != sorted(texts)
    assert read_documents(tmp_path, limit=5) == texts[:5]


def test_a_folder_without_documents_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: 0 documents"):
        read_documents(tmp_path)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ``townhall`` is given; it leaves a model where it would."""
    words: list[str] = []

    def townhall(arguments: Sequence[str]) -> int:
        words[:] = arguments
        model = Path(os.environ["TOWNHALL_DATA_DIR"], "models", arguments[2])
        model.mkdir(parents=True)
        (model / "config.json").write_text("{}")
        return 0

    monkeypatch.setenv("TOWNHALL_DATA_DIR", "")
    monkeypatch.setattr(train_mini, "townhall", townhall)
    return words


def test_the_script_asks_for_townhall_minis_shape_and_brings_the_model(given: list[str], tmp_path: Path) -> None:
    out = tmp_path / "mini"
    assert train_mini.main(["--corpus", "books", "--out", str(out), "--minutes", "5", "--batch", "8"]) == 0
    assert given[:7] == ["models", "train", "mini", "--minutes", "5.0", "--texts", "books"]
    shape = ["--layers", "6", "--heads", "5", "--width", "320", "--context", "512"]
    assert given[7:] == ["--new", *shape, "--batch", "8"]
    assert [path.name for path in tmp_path.iterdir()] == ["mini"]
    assert (out / "config.json").is_file()


def test_a_folder_that_is_there_is_not_written_over(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train_mini.main(["--corpus", "books", "--out", str(tmp_path)])
    assert "exists; give a new folder" in capsys.readouterr().err
    assert given == []
