from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint import hub, hub_cache
from plugins.gpt2.checkpoint.checkpoint import CheckpointError, on_disk, open_checkpoint
from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.files import lacking_files
from tests.plugins.gpt2.checkpoint.small_hub import CONFIG, REPO, SmallHub
from tools.random_checkpoint import write_checkpoint


def test_a_folder_without_any_one_of_its_files_is_not_complete(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, CONFIG, seed=1, shards=2)
    assert lacking_files(folder) == []
    for path in sorted(folder.iterdir()):
        aside = path.rename(tmp_path.with_name("aside"))
        assert lacking_files(folder) != [], path.name
        aside.rename(path)


def test_a_model_whose_last_shard_never_came_is_downloaded_after_all(small_hub: SmallHub, tmp_path: Path) -> None:
    small_hub.repos[REPO] = write_checkpoint(tmp_path / "sharded", CONFIG, seed=1, shards=3)
    folder = hub.download(REPO)
    last = sorted(folder.glob("*.safetensors"))[-1]
    last.resolve().unlink()
    last.unlink()
    assert on_disk(REPO) is None
    open_checkpoint(REPO).close()
    assert len(small_hub.gets(last.name)) == 2


def test_all_files_come_from_the_version_that_was_there_when_the_download_began(small_hub: SmallHub) -> None:
    hub.download(REPO)
    asked = {request.path.split("/resolve/")[1] for request in small_hub.requests if "/resolve/" in request.path}
    assert {path.partition("/")[0] for path in asked if not path.endswith("config.json")} == {small_hub.commit}


@pytest.mark.parametrize("name", ["people/other", "a/copy", "z/copy"])
def test_removing_a_model_leaves_the_others_even_its_copies(small_hub: SmallHub, name: str) -> None:
    small_hub.repos[name] = small_hub.repos[REPO]  # with the same commit
    hub.download(REPO)
    hub.download(name)
    assert hub_cache.remove(REPO) > 0
    assert on_disk(REPO) is None
    assert on_disk(name) is not None


def test_a_config_of_many_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.touch()
    os.truncate(path, 11_000_000)
    with pytest.raises(CheckpointError, match="11000000 bytes are too many"):
        read_config(path)
