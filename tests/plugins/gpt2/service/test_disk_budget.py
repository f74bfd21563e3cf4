"""The host's disk budget holds before the weights come, whoever chose the model."""

from __future__ import annotations

import pytest

from plugins.gpt2.checkpoint.checkpoint import on_disk
from plugins.gpt2.protocol import ModelUnavailable
from plugins.gpt2.service.model_source import CheckpointSource
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.checkpoint.small_hub import REPO, SmallHub


def source(monkeypatch: pytest.MonkeyPatch, budget: int) -> CheckpointSource:
    settings = GPT2Settings.model_validate({"model": REPO, "disk_mb": 1})
    monkeypatch.setattr(GPT2Settings, "disk_budget", budget)  # the test's model is smaller than a megabyte
    return CheckpointSource(settings)


def test_a_download_beyond_the_budget_is_refused_with_the_numbers_before_the_weights_come(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelUnavailable, match=r"to download\. Models take .* disk already, and it gives them no more"):
        source(monkeypatch, 1000).open(REPO, lambda line: None)
    assert on_disk(REPO) is None
    assert small_hub.gets("model.safetensors") == []


def test_within_the_budget_it_comes_and_what_is_there_is_used_even_where_the_budget_shrank(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source(monkeypatch, 10**9).open(REPO, lambda line: None).memory_bytes > 0
    assert source(monkeypatch, 1).open(REPO, lambda line: None).memory_bytes > 0
