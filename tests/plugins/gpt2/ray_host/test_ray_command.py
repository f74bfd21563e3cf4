"""``townhall ray`` where it cannot do what is asked: it says why, and what to do."""

from __future__ import annotations

import importlib.util

import pytest

from townhall_bot.cli import main

Said = pytest.CaptureFixture[str]


def test_without_ray_it_says_how_to_get_it(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["ray", "status"]) == 1
    assert "pip install 'townhall-bot[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--engines", "0", "'0' is no number of engines, such as 2 or 1-4"),
        ("--engines", "4-1", "'4-1' is no number of engines"),
        ("--engines", "many", "'many' is no number of engines"),
        ("--router", "router:8765", "'router:8765' is no address"),
        ("--cpus", "0", "'0' is not a number from 0.1 to 512"),
    ],
)
def test_wrong_options_are_refused_in_a_line(option: str, value: str, words: str, capsys: Said) -> None:
    assert main(["ray", "up", option, value]) == 2
    assert words in capsys.readouterr().err


def test_engines_need_to_know_their_router(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert main(["ray", "up"]) == 1
    assert "townhall ray up --router http://" in capsys.readouterr().err
