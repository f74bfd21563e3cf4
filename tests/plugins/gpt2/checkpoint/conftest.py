"""A small checkpoint in a folder, a way to change what its config says, and the files of a small tokeniser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.model.constants import GPT2Config
from tests.plugins.gpt2.checkpoint.two_files import MERGES, VOCAB, save
from tools.random_checkpoint import write_checkpoint

CONFIG = GPT2Config(2, 3, 12, 10, 260, 20, end_of_text=259)

EditConfig = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model", CONFIG, seed=1)


@pytest.fixture
def edit_config(folder: Path) -> EditConfig:
    """Change keys of config.json; None as a key's value writes null, ``...`` removes the key."""

    def edit(**changes: Any) -> Path:
        path = folder / "config.json"
        config = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))
        return folder

    return edit


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The two files that OpenAI wrote and transformers wrote until its version 4."""
    return save(tmp_path, VOCAB, MERGES)
