"""The host's draft goes with the models that it can guess for; with the host's own it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.draft import WrongDraft
from plugins.gpt2.service.model_source import CheckpointSource, Opened
from plugins.gpt2.settings import GPT2Settings
from tools.random_checkpoint import RECIPES, write_checkpoint


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    made = {}
    for name in ("three-heads", "five-heads", "seven-heads"):
        write_checkpoint(tmp_path / name, RECIPES[name].config, RECIPES[name].seed)
        made[name] = str(tmp_path / name)
    return made


def opened(name: str, **settings: str) -> Opened:
    return CheckpointSource(GPT2Settings.model_validate({"device": "CPU", **settings})).open(name, lambda line: None)


def test_a_draft_that_fits_is_counted_beside_its_model(folders: dict[str, str]) -> None:
    large = folders["five-heads"]
    alone = opened(large, model=large).memory_bytes
    assert opened(large, model=large, draft=folders["three-heads"]).memory_bytes > alone


def test_a_draft_that_does_not_fit_is_refused_for_the_hosts_own_model(folders: dict[str, str]) -> None:
    large = folders["five-heads"]
    with pytest.raises(WrongDraft, match=r"seven-heads cannot guess for .*five-heads"):
        opened(large, model=large, draft=folders["seven-heads"])


def test_models_that_admins_choose_go_without_it(folders: dict[str, str]) -> None:
    large, draft = folders["five-heads"], folders["seven-heads"]
    assert opened(large, draft=draft).memory_bytes == opened(large).memory_bytes
