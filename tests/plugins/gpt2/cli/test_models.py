"""``townhall models``: what a person types and reads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from plugins.gpt2.checkpoint import hub, hub_cache
from plugins.gpt2.checkpoint.verify import KNOWN_SHA256
from plugins.gpt2.cli import models as models_command
from tests.plugins.gpt2.checkpoint.small_hub import CONFIG, REPO, SmallHub
from tools.random_checkpoint import random_weights, safetensors_bytes, write_checkpoint

Models = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("small_hub")


@pytest.fixture
def models(capsys: pytest.CaptureFixture[str]) -> Models:
    """Run ``townhall models`` with these words; return exit status, what was printed, what was complained of."""
    parser = argparse.ArgumentParser()
    models_command.configure(parser)

    def run(*words: str) -> tuple[int, str, str]:
        status = models_command.run(parser.parse_args(words))
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def test_the_list_names_every_known_model_with_its_memory_need(models: Models) -> None:
    status, table, _ = models()
    assert status == 0
    assert models("list")[1] == table
    rows = {line.split()[0]: line for line in table.splitlines()[1:7]}
    assert list(rows) == ["townhall-mini", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2"]
    assert rows["townhall-mini"].endswith("embedded")
    assert "10M" in rows["townhall-mini"]
    assert "20.6 MB" in rows["townhall-mini"]
    assert rows["gpt2-xl"].split()[1:3] == ["1.6B", "-"]
    assert rows["gpt2-xl"].count(" GB") == 3, "memory as int8, int4 and fp32"
    assert "differs in 1 of 100 places (int8), 7 of 100 (int4)" in table


def test_a_model_comes_shows_in_the_list_is_verified_and_goes(models: Models, small_hub: SmallHub) -> None:
    status, text, told = models("download", REPO)
    assert (status, text) == (0, f"{REPO} is on this disk: {hub_cache.cached_snapshot(REPO)}\n")
    assert f"Try it: townhall gpt2 --model-size {REPO} --interactive\n" in told
    assert "%" not in told, "a bar is for a terminal"
    row = models("list")[1].splitlines()[7].split()
    assert row[:2] == [REPO, "71k"]
    assert row[2:4] == ["289", "kB"]

    status, text, _ = models("verify", REPO)
    assert status == 0
    for expected in (
        "ok    config.json and the shapes of 28 tensors agree",
        "ok    a vocabulary of 257 tokens",
        "ok    config.json is what the hub has (sha1",
        "ok    model.safetensors is what the hub has (sha256",
        f"ok    all {CONFIG.parameters:,} weights are finite numbers",
    ):
        assert expected in text

    assert models("remove", REPO)[:2] == (0, f"removed {REPO}, 289 kB freed\n")
    assert models("remove", REPO)[:2] == (0, f"{REPO} is not on this disk\n")
    assert REPO not in models("list")[1]


def test_downloading_again_brings_the_newest_version(models: Models, small_hub: SmallHub, tmp_path: Path) -> None:
    models("download", REPO)
    small_hub.commit = "e" * 40
    small_hub.repos[REPO] = write_checkpoint(tmp_path / "newer", CONFIG, seed=2)
    assert "e" * 40 in models("download", REPO)[1]


def test_an_unfinished_download_is_marked(models: Models) -> None:
    models("download", REPO)
    folder = hub_cache.cached_snapshot(REPO)
    assert folder is not None
    (folder / "model.safetensors").unlink()
    assert models("list")[1].splitlines()[7].endswith("not complete")
    status, _, complaint = models("verify", REPO)
    assert status == 1
    assert f"{REPO} is not complete on this disk. Download it: townhall models download {REPO}" in complaint


def test_a_damaged_file_is_found(models: Models) -> None:
    models("download", REPO)
    folder = hub_cache.cached_snapshot(REPO)
    assert folder is not None
    path = (folder / "model.safetensors").resolve()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    status, text, _ = models("verify", REPO)
    assert status == 1
    assert "FAIL  model.safetensors: sha256 is" in text
    assert "Download the model again" in text


def test_the_first_gpt2_is_compared_with_the_hash_that_is_known_of_it(models: Models, small_hub: SmallHub) -> None:
    small_hub.repos["openai-community/gpt2"] = small_hub.repos[REPO]
    models("download", "gpt2")
    status, text, _ = models("verify", "gpt2")
    assert status == 1
    assert f"expected {KNOWN_SHA256['openai-community/gpt2', 'model.safetensors']}" in text


def test_weights_that_are_no_numbers_are_named(models: Models, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "ours", CONFIG, seed=1)
    weights = random_weights(CONFIG, 1)
    weights["h.1.mlp.c_fc.bias"][3:5] = [np.nan, np.inf]
    (folder / "model.safetensors").write_bytes(safetensors_bytes(weights))
    status, text, _ = models("verify", str(folder))
    assert status == 1
    assert "tensor h.1.mlp.c_fc.bias of shape (192,) holds 2 values that are not finite" in text


def test_a_folder_that_is_no_checkpoint_fails_with_the_reason(models: Models, tmp_path: Path) -> None:
    status, text, _ = models("verify", str(tmp_path))
    assert status == 1
    assert text.startswith(f"FAIL  {tmp_path}: there is no model.safetensors")


def test_the_embedded_model_is_whole_and_cannot_be_removed(models: Models) -> None:
    assert models("verify", "townhall-mini")[0] == 0
    assert models("download", "townhall-mini")[0] == 0
    status, _, complaint = models("remove", "townhall-mini")
    assert status == 1
    assert "townhall-mini is part of Townhall and is not removed" in complaint


def test_a_folder_of_yours_is_not_removed(models: Models, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "ours", CONFIG, seed=1)
    status, _, complaint = models("remove", str(folder))
    assert status == 1
    assert "is a folder of yours" in complaint
    assert (folder / "model.safetensors").exists()


@pytest.mark.parametrize("action", ["download", "remove", "verify"])
def test_a_wrong_name_is_answered_with_the_nearest(models: Models, action: str) -> None:
    status, _, complaint = models(action, "gpt2-meduim")
    assert status == 1
    assert "Did you mean gpt2-medium?" in complaint


def test_ctrl_c_ends_a_download_at_once(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hub, "download", interrupted)
    status, _, complaint = models("download", REPO)
    assert status == 130
    assert "stopped" in complaint


def test_other_peoples_models_in_the_cache_are_not_listed(models: Models, small_hub: SmallHub) -> None:
    models("download", REPO)
    folder = Path(constants.HF_HUB_CACHE) / "models--some--llama/snapshots/abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    refs = folder.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    table = models("list")[1]
    assert REPO in table
    assert "llama" not in table
