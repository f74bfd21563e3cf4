"""Models come from the hub through the real ``huggingface_hub``, here from a small hub on loopback."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants

from plugins.gpt2.checkpoint import hub, hub_cache
from plugins.gpt2.checkpoint.checkpoint import (
    Checkpoint,
    CheckpointError,
    DownloadFailed,
    DownloadProgress,
    UnknownModel,
    on_disk,
    open_checkpoint,
)
from tests.plugins.gpt2.checkpoint.small_hub import CONFIG, REPO, SmallHub
from tools.random_checkpoint import random_weights, write_checkpoint


def assert_whole(checkpoint: Checkpoint) -> None:
    for name, values in random_weights(checkpoint.config, 1).items():
        np.testing.assert_array_equal(checkpoint.tensors[name].numpy(), values)
    assert checkpoint.tokenizer().encode("hi") == [71, 72]


def test_a_model_is_downloaded_once_and_opened_from_the_cache_ever_after(small_hub: SmallHub) -> None:
    assert on_disk(REPO) is None
    with open_checkpoint(REPO) as checkpoint:
        assert checkpoint.name == REPO
        assert checkpoint.config == CONFIG
        assert_whole(checkpoint)
        downloaded = sorted(request.path.rsplit("/")[-1] for request in small_hub.requests if request.method == "GET")
        assert downloaded == ["config.json", "merges.txt", "model.safetensors", "vocab.json"], "and nothing else"
        small_hub.requests.clear()
        with open_checkpoint(REPO) as again:
            assert again.fingerprint == checkpoint.fingerprint
    assert small_hub.requests == [], "what is on disk is opened without asking the hub"
    assert on_disk(REPO) == checkpoint.folder


def test_shards_are_downloaded_as_the_index_names_them(small_hub: SmallHub, tmp_path: Path) -> None:
    small_hub.repos[REPO] = write_checkpoint(tmp_path / "sharded", CONFIG, seed=1, shards=3, prefix="transformer.")
    with open_checkpoint(REPO) as checkpoint:
        assert_whole(checkpoint)
    assert len(small_hub.gets(".safetensors")) == 3
    assert on_disk(REPO) is not None


def test_a_repository_with_only_tokenizer_json_serves(small_hub: SmallHub) -> None:
    folder = small_hub.repos[REPO]
    vocab = json.loads((folder / "vocab.json").read_text())
    content = {"pre_tokenizer": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": vocab, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()
    with open_checkpoint(REPO) as checkpoint:
        assert_whole(checkpoint)
    assert on_disk(REPO) is not None


def test_progress_counts_the_bytes_of_the_weights_up_to_the_last(small_hub: SmallHub) -> None:
    seen: list[DownloadProgress] = []
    open_checkpoint(REPO, on_progress=seen.append).close()
    total = (small_hub.repos[REPO] / "model.safetensors").stat().st_size
    assert {progress.total_bytes for progress in seen} == {total}
    done = [progress.done_bytes for progress in seen]
    assert done == sorted(done)
    assert done[-1] == total
    assert len(done) > 10
    assert seen[-1].file == "model.safetensors"


def test_a_download_that_is_cut_goes_on_where_it_was_cut(small_hub: SmallHub, no_waiting: None) -> None:
    small_hub.cuts.extend([100_000, 50_000])
    seen: list[DownloadProgress] = []
    with open_checkpoint(REPO, on_progress=seen.append) as checkpoint:
        assert_whole(checkpoint)
    first, second, third = small_hub.gets(".safetensors")
    assert first.range is None
    assert second.range is not None
    assert third.range is not None
    resumed = [int(request.range.removeprefix("bytes=").rstrip("-")) for request in (second, third) if request.range]
    assert 0 < resumed[0] <= 100_000
    assert resumed[0] < resumed[1] <= 150_000
    done = [progress.done_bytes for progress in seen]
    assert done == sorted(done), "the bar never goes back"
    assert done[-1] == seen[-1].total_bytes


def test_after_a_stopped_download_only_what_is_lacking_is_downloaded(small_hub: SmallHub) -> None:
    class Stopped(Exception):
        """What a person who presses Stop makes of the progress callback."""

    def stop_in_the_middle(progress: DownloadProgress) -> None:
        if progress.done_bytes > 100_000:
            raise Stopped

    with pytest.raises(Stopped):
        open_checkpoint(REPO, on_progress=stop_in_the_middle)
    assert on_disk(REPO) is None, "half a model is no model"
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete")), "and leaves nothing lying about"
    small_hub.requests.clear()
    with open_checkpoint(REPO) as checkpoint:
        assert_whole(checkpoint)
    assert len(small_hub.gets(".safetensors")) == 1
    assert small_hub.gets("vocab.json") == []


def test_a_hub_that_keeps_hanging_up_is_given_up_in_words(small_hub: SmallHub, no_waiting: None) -> None:
    small_hub.cuts.extend([0] * 20)
    with pytest.raises(
        DownloadFailed, match=rf"downloading {REPO} from http://127.*failed: .*Check the network and HF_"
    ):
        open_checkpoint(REPO)
    small_hub.cuts.clear()
    open_checkpoint(REPO).close()


def test_offline_what_is_on_disk_works_and_what_is_not_says_so(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_checkpoint(REPO).close()
    small_hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    open_checkpoint(REPO).close()
    with pytest.raises(
        DownloadFailed, match=r"people/other is not complete on this disk.*HF_HUB_OFFLINE is set\. Unset that"
    ):
        open_checkpoint("people/other")
    assert small_hub.requests == []


def test_local_only_asks_nobody(small_hub: SmallHub) -> None:
    with pytest.raises(DownloadFailed, match=r"downloads are not allowed here.*townhall models download people/small"):
        open_checkpoint(REPO, local_only=True)
    assert small_hub.requests == []


def test_an_address_that_is_none_is_told_as_such(small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "nonsense/{repo_id}/{revision}/{filename}")
    with pytest.raises(DownloadFailed, match=r"[^.]\. Check the network and HF_ENDPOINT"):
        open_checkpoint(REPO)


def test_a_hub_that_is_away_is_told_once_and_not_at_every_try(
    small_hub: SmallHub, no_waiting: None, caplog: pytest.LogCaptureFixture
) -> None:
    small_hub.broken.add(REPO)
    with pytest.raises(DownloadFailed):
        open_checkpoint(REPO)
    assert caplog.text.count("Retrying") == 0


def test_an_unknown_repository_is_an_unknown_model(small_hub: SmallHub) -> None:
    with pytest.raises(UnknownModel, match=r"has no model people/smal, or it is private\. Check the spelling"):
        open_checkpoint("people/smal")


def test_a_gated_repository_says_what_to_do(small_hub: SmallHub) -> None:
    small_hub.gated.add("people/gated")
    with pytest.raises(DownloadFailed, match=r"people/gated is gated.*Do so at http\S+/people/gated.*HF_TOKEN"):
        open_checkpoint("people/gated")


def test_a_broken_hub_is_told_from_an_unknown_model(small_hub: SmallHub, no_waiting: None) -> None:
    small_hub.broken.add(REPO)
    with pytest.raises(DownloadFailed, match=r"cannot be reached for people/small.*500"):
        open_checkpoint(REPO)


def test_an_unreachable_hub_is_named_and_logged_once(
    small_hub: SmallHub, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(small_hub.url, nowhere)
    )
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    with pytest.raises(DownloadFailed, match=r"the hub at http://127\.0\.0\.1:9 cannot be reached.*Check the network"):
        open_checkpoint(REPO)
    assert not logging.getLogger("huggingface_hub").handlers, "its lines reach our handler, and no second one"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("config.json", '{"model_type": "llama"}', "model_type is 'llama'"),
        ("config.json", None, "lacks a file that GPT-2 needs"),
        ("vocab.json", None, "lacks a file that GPT-2 needs"),
        ("model.safetensors", None, "has neither model.safetensors nor"),
    ],
)
def test_a_repository_that_cannot_be_used_is_refused_before_its_weights_come(
    small_hub: SmallHub, name: str, content: str | None, complaint: str
) -> None:
    path = small_hub.repos[REPO] / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=complaint):
        open_checkpoint(REPO)
    assert small_hub.gets(".safetensors") == []


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("tokenizer.json", {"model": {"type": "WordPiece"}}, "model.type is 'WordPiece'"),
        ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"}, "its tokeniser is a BertTokenizer"),
        ("generation_config.json", {"eos_token_id": "x"}, "eos_token_id is 'x'"),
        ("added_tokens.json", {"[PAD]": "x"}, "the added token .* needs an id"),
    ],
)
def test_whatever_says_how_text_is_read_is_judged_before_the_weights_come(
    small_hub: SmallHub, name: str, content: dict[str, Any], complaint: str
) -> None:
    (small_hub.repos[REPO] / name).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=complaint):
        open_checkpoint(REPO)
    assert small_hub.gets(".safetensors") == []


@pytest.mark.parametrize(
    ("lost", "instead", "complaint"),
    [
        ("config.json", "adapter_config.json", r"people/small is an adapter \(LoRA\) .*merge_and_unload"),
        ("model.safetensors", "tf_model.h5", r"people/small is a model in TensorFlow's format.*from_tf=True"),
    ],
)
def test_a_repository_of_another_format_is_called_by_its_name(
    small_hub: SmallHub, lost: str, instead: str, complaint: str
) -> None:
    (small_hub.repos[REPO] / lost).unlink()
    (small_hub.repos[REPO] / instead).write_text("{}")
    with pytest.raises(CheckpointError, match=complaint):
        open_checkpoint(REPO)
    assert small_hub.gets(instead) == []


def test_what_stands_beside_the_vocabulary_comes_too(small_hub: SmallHub) -> None:
    (small_hub.repos[REPO] / "generation_config.json").write_text('{"eos_token_id": [7, 8]}')
    (small_hub.repos[REPO] / "tokenizer_config.json").write_text('{"add_bos_token": true}')
    with open_checkpoint(REPO) as checkpoint:
        assert checkpoint.config.ends == (7, 8)
        assert checkpoint.tokenizer().encode("hi") == [256, 71, 72]


def test_a_full_disk_is_found_out_before_the_download(small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 100_000

    monkeypatch.setattr("plugins.gpt2.checkpoint.download.shutil.disk_usage", lambda path: Usage)
    with pytest.raises(DownloadFailed, match=r"needs \d+ kB, but only \d+ \w+ are free at \S+cache.*HF_HOME"):
        open_checkpoint(REPO)
    assert small_hub.gets(".safetensors") == []


def test_a_newer_version_comes_only_when_asked_for(small_hub: SmallHub, tmp_path: Path) -> None:
    old = hub.download(REPO)
    small_hub.commit = "f" * 40
    small_hub.repos[REPO] = write_checkpoint(tmp_path / "newer", CONFIG, seed=2)
    assert hub.download(REPO) == old
    new = hub.download(REPO, refresh=True)
    assert new != old
    assert on_disk(REPO) == new
    assert len(small_hub.gets("vocab.json")) == 1, "files that did not change are not downloaded again"


def test_removing_frees_the_disk(small_hub: SmallHub) -> None:
    assert hub_cache.remove(REPO) == 0
    hub.download(REPO)
    size = hub_cache.cached_repos()[REPO]
    assert hub_cache.remove(REPO) == size > 250_000
    assert hub_cache.cached_repos() == {}
    assert on_disk(REPO) is None
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.safetensors"))


def test_the_environment_says_where_the_hub_and_the_cache_are(small_hub: SmallHub, tmp_path: Path) -> None:
    """Variables are read when ``huggingface_hub`` is imported, so this needs processes of its own."""
    program = f"from plugins.gpt2.checkpoint.checkpoint import open_checkpoint; print(open_checkpoint({REPO!r}).folder)"
    environment = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": small_hub.url}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True, timeout=60, check=False)

    refused = run(HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in refused.stderr
    assert small_hub.requests == []
    online = run()
    assert online.stdout.startswith(str(tmp_path / "home/hub/models--people--small/snapshots")), online.stderr
    small_hub.requests.clear()
    assert run(HF_HUB_OFFLINE="1").stdout == online.stdout
    assert small_hub.requests == []
