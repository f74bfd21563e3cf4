"""A hub of our own, and an empty cache, for whatever downloads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from tests.plugins.gpt2.model.small_hub import CONFIG, REPO, SmallHub
from tools.random_checkpoint import write_checkpoint


@pytest.fixture
def small_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    """A hub with one model, ``REPO`` of shape ``CONFIG`` and seed 1, instead of the real one."""
    with SmallHub({REPO: write_checkpoint(tmp_path / "small", CONFIG, seed=1)}) as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 16384)
        yield server
        huggingface_hub.close_session()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the second and more that ``huggingface_hub`` waits before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
