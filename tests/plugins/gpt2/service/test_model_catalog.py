from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.checkpoint import on_disk
from plugins.gpt2.protocol import ModelUnavailable
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.settings import GPT2Settings


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def catalog(total: int | None = None, **settings: object) -> ModelCatalog:
    return ModelCatalog(GPT2Settings.model_validate(settings), total_memory=lambda: total)


def test_by_default_there_are_the_embedded_model_and_the_official_sizes_that_fit() -> None:
    assert catalog(100 * 10**9).allowed == ("townhall-mini", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
    assert catalog(2 * 10**9).allowed == ("townhall-mini", "gpt2", "gpt2-medium")
    assert catalog(10**8).allowed == ("townhall-mini",)
    assert "gpt2-xl" in catalog(None).allowed  # where memory is not known, loading will say


def test_the_hosts_list_replaces_the_default_one_and_keeps_the_default_model() -> None:
    assert catalog(model="gpt2", allowed_models="people/poet").allowed == ("gpt2", "people/poet")


def test_the_memory_budget_takes_models_off_the_list_and_out_of_the_hosts_own() -> None:
    assert catalog(100 * 10**9, memory_mb=600).allowed == ("townhall-mini", "gpt2")
    assert "gpt2-xl" not in catalog(100 * 10**9, memory_mb=1000).allowed
    with pytest.raises(ModelUnavailable, match=r"“gpt2-xl” needs .* this host gives GPT-2 no more than 1\.00 GB"):
        catalog(100 * 10**9, memory_mb=1000, allowed_models="gpt2-xl").check("gpt2-xl")


def test_what_is_not_offered_is_refused_with_what_is() -> None:
    with pytest.raises(ModelUnavailable, match=r"does not offer the model “nonsense”.*There are: townhall-mini, gpt2"):
        catalog().check("nonsense")


def test_an_official_size_that_does_not_fit_is_refused_with_the_number() -> None:
    with pytest.raises(ModelUnavailable, match=r"“gpt2-xl” needs \d\.\d\d GB of memory"):
        catalog(4 * 10**9).check("gpt2-xl")


def test_each_model_says_what_it_needs_and_whether_it_is_here() -> None:
    entries = {entry.name: entry for entry in catalog().entries()}
    mini, largest = entries["townhall-mini"], entries["gpt2-xl"]
    assert mini.on_disk
    assert not largest.on_disk
    assert (mini.parameters, largest.parameters) == (10_183_680, 1_557_611_200)
    assert largest.memory_bytes is not None
    assert largest.memory_bytes > 1_500_000_000


def test_a_folder_is_described_by_its_own_config(tmp_path: Path) -> None:
    mini = on_disk("townhall-mini")
    assert mini is not None
    shutil.copytree(mini, tmp_path / "poet")
    [_, entry] = catalog(allowed_models=str(tmp_path / "poet")).entries()
    assert entry.on_disk
    assert entry.parameters == catalog().entries()[0].parameters


def test_a_folder_that_is_not_there_can_still_be_listed(tmp_path: Path) -> None:
    [_, entry] = catalog(allowed_models=str(tmp_path / "missing")).entries()
    assert not entry.on_disk
    assert (entry.parameters, entry.memory_bytes) == (None, None)


def test_weights_that_take_more_memory_are_counted_as_such() -> None:
    [small] = catalog(10**8, weights="int8").entries()
    [large] = catalog(10**8, weights="fp32").entries()
    assert small.memory_bytes is not None
    assert large.memory_bytes is not None
    assert large.memory_bytes > 2 * small.memory_bytes


def test_four_bits_are_listed_with_what_they_save_and_cost() -> None:
    [eight] = catalog(10**8, weights="int8").entries()
    [four] = catalog(10**8, weights="int4").entries()
    assert four.memory_bytes is not None
    assert four.saved_bytes is not None
    assert four.memory_bytes + four.saved_bytes == eight.memory_bytes
    assert (four.other_tokens, eight.other_tokens, eight.saved_bytes) == (7, None, None)


def test_a_draft_is_counted_for_those_whom_it_could_guess_for() -> None:
    plain, drafted = catalog(10**11), catalog(10**11, draft="distilgpt2")
    needs = {entry.name: entry.memory_bytes for entry in plain.entries()}
    for entry in drafted.entries():
        assert entry.memory_bytes is not None
        more = entry.memory_bytes - (needs[entry.name] or 0)
        assert (more > 80_000_000) == (entry.name != "townhall-mini")
