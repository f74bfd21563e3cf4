from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from townhall_bot.cli import main
from townhall_bot.discordpy.endpoints import pointed_at


def test_where_discord_cannot_be_reached_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"MTIz.token.perhaps\n")))
    with pointed_at("http://127.0.0.1:1"):  # where nobody listens
        assert main(["setup"]) == 1
    told = capsys.readouterr().err
    assert "Discord cannot be reached" in told
    assert "Nothing was written" in told
    assert list(tmp_path.iterdir()) == []


def test_where_no_token_comes_it_is_said_how_to_send_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["setup"]) != 0
    assert "townhall setup < FILE" in capsys.readouterr().err
