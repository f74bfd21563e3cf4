from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.memory_plot import main

SOAK = {"members": 3, "weather": "storm", "commands": {"/gpt2": 1200, "/ping": 34}, "memory_mb": [130.0, 140.5, 141.0]}


def test_a_soak_becomes_a_picture_that_is_the_same_every_time(tmp_path: Path) -> None:
    soak, first, second = tmp_path / "soak.json", tmp_path / "1.svg", tmp_path / "2.svg"
    soak.write_text("the bot's log: somewhere\n" + json.dumps(SOAK) + "\n")
    assert main([str(soak), str(first)]) == main([str(soak), str(second)]) == 0
    assert "<!-- 3 members, 1,234 commands and presses, storm -->" in first.read_text()
    assert first.read_text() == second.read_text()


@pytest.mark.parametrize("text", ["", "not a result", "[]", "{}"])
def test_what_is_no_soak_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "soak.json").write_text(text)
    assert main([str(tmp_path / "soak.json"), str(tmp_path / "1.svg")]) == 1
    assert "soak.json cannot be drawn" in capsys.readouterr().err
    assert not (tmp_path / "1.svg").exists()
