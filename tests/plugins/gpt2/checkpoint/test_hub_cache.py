"""What the cache holds is used only where it is whole, and what is damaged there is cured by downloading it again."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from plugins.gpt2.checkpoint import hub, hub_cache
from plugins.gpt2.checkpoint.checkpoint import DownloadFailed, on_disk, open_checkpoint
from tests.plugins.gpt2.checkpoint.small_hub import CONFIG, REPO, SmallHub
from tests.plugins.gpt2.checkpoint.test_hub import assert_whole
from tools.random_checkpoint import write_checkpoint


def damage(path: Path, how: str) -> None:
    """Damage the blob behind a file of the cache; its time of change stays, as a broken disk leaves it."""
    blob = path.resolve()
    content, before = blob.read_bytes(), blob.stat()
    if how == "cut short":
        blob.write_bytes(content[: len(content) // 2])
    elif how == "cut within its header":
        blob.write_bytes(content[:12])
    elif how == "empty":
        blob.write_bytes(b"")
    elif how == "flipped":
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


@pytest.mark.parametrize("how", ["cut short", "cut within its header", "empty"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json", "merges.txt"])
def test_a_file_that_is_cut_short_is_downloaded_again_and_nothing_else(
    small_hub: SmallHub, name: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = hub.download(REPO)
    damage(folder / name, how)
    small_hub.requests.clear()
    assert on_disk(REPO) is None
    assert f"{name} cut short or damaged, so this version does not count" in caplog.text
    with open_checkpoint(REPO) as checkpoint:
        assert_whole(checkpoint)
    assert {request.path.rsplit("/")[-1] for request in small_hub.requests if request.method == "GET"} == {name}
    assert on_disk(REPO) == folder


@pytest.mark.parametrize("name", ["model-00002-of-00003.safetensors", "model.safetensors.index.json"])
def test_a_shard_or_index_that_is_cut_short_is_too(small_hub: SmallHub, tmp_path: Path, name: str) -> None:
    small_hub.repos[REPO] = write_checkpoint(tmp_path / "sharded", CONFIG, seed=1, shards=3)
    damage(hub.download(REPO) / name, "cut short")
    small_hub.requests.clear()
    with open_checkpoint(REPO) as checkpoint:
        assert_whole(checkpoint)
    assert len(small_hub.gets(name)) == 1
    assert len(small_hub.gets(".safetensors")) == (1 if name.endswith(".safetensors") else 0)


def test_a_pickle_that_is_cut_short_is_found_at_its_end(small_hub: SmallHub, tmp_path: Path) -> None:
    folder = small_hub.repos[REPO]
    (folder / "model.safetensors").unlink()
    shutil.make_archive(str(tmp_path / "weights"), "zip", folder)
    (tmp_path / "weights.zip").rename(folder / "pytorch_model.bin")
    path = hub.download(REPO, allow_pickle=True) / "pytorch_model.bin"
    assert not hub_cache.is_damaged(path)
    damage(path, "cut short")
    assert on_disk(REPO, allow_pickle=True) is None


def test_bits_that_flipped_are_cured_by_asking_for_the_model_again(small_hub: SmallHub) -> None:
    """A whole look takes its time, so a mere start does without; ``models verify`` finds it, ``download`` cures it."""
    folder = hub.download(REPO)
    damage(folder / "model.safetensors", "flipped")
    assert on_disk(REPO) == folder
    hub.download(REPO, refresh=True)
    assert len(small_hub.gets(".safetensors")) == 2
    with open_checkpoint(REPO) as checkpoint:
        assert_whole(checkpoint)
    hub.download(REPO, refresh=True)
    assert len(small_hub.gets(".safetensors")) == 2, "what is whole is not fetched again"


def test_a_new_version_does_not_take_over_a_damaged_file(small_hub: SmallHub) -> None:
    damage(hub.download(REPO) / "model.safetensors", "cut short")
    small_hub.commit = "f" * 40
    with open_checkpoint(REPO) as checkpoint:
        assert checkpoint.folder.name == "f" * 40
        assert_whole(checkpoint)


def test_offline_a_damaged_model_is_not_complete(small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(hub.download(REPO) / "model.safetensors", "cut short")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadFailed, match="people/small is not complete on this disk"):
        open_checkpoint(REPO)


class TestVersions:
    """``refs/main`` names the version that the hub was last heard to have; what is whole beside it serves too."""

    def test_a_whole_version_is_found_where_refs_is_gone(
        self, small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = hub.download(REPO)
        shutil.rmtree(hub_cache.repo_folder(REPO) / "refs")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with open_checkpoint(REPO) as checkpoint:
            assert checkpoint.folder == folder
        assert hub_cache.cached_config(REPO) == folder / "config.json"

    def test_a_whole_version_is_found_where_refs_has_moved_on(self, small_hub: SmallHub, tmp_path: Path) -> None:
        folder = hub.download(REPO)
        (hub_cache.repo_folder(REPO) / "refs/main").write_text("e" * 40)  # another program asked, and brought nothing
        assert on_disk(REPO) == folder
        begun = hub_cache.repo_folder(REPO) / "snapshots" / ("e" * 40)
        begun.mkdir()
        (begun / "config.json").write_text("{}")  # or only a file
        assert on_disk(REPO) == folder
        small_hub.requests.clear()
        open_checkpoint(REPO).close()
        assert small_hub.requests == []

    def test_the_version_that_refs_names_comes_first(self, small_hub: SmallHub, tmp_path: Path) -> None:
        old = hub.download(REPO)
        small_hub.commit = "f" * 40
        (small_hub.repos[REPO] / "config.json").write_text(json.dumps(json.loads((old / "config.json").read_text())))
        new = hub.download(REPO, refresh=True)
        assert on_disk(REPO) == new != old
        (hub_cache.repo_folder(REPO) / "refs/main").write_text(old.name)
        assert on_disk(REPO) == old

    def test_a_newer_version_that_never_came_whole_leaves_the_old_one_in_use(
        self, small_hub: SmallHub, tmp_path: Path, no_waiting: None
    ) -> None:
        old = hub.download(REPO)
        small_hub.commit = "f" * 40
        small_hub.repos[REPO] = write_checkpoint(tmp_path / "newer", CONFIG, seed=2)
        small_hub.cuts.extend([0] * 20)
        with pytest.raises(DownloadFailed):
            hub.download(REPO, refresh=True)
        assert on_disk(REPO) == old


def test_a_mirror_that_names_files_by_their_plain_sha1_is_believed(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    link = tmp_path / "config.json"
    (blobs / "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed").write_bytes(b"hello world")  # sha1sum's, not git's
    link.symlink_to(Path("blobs/2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"))
    assert not hub_cache.is_damaged(link)
    link.resolve().write_bytes(b"hello worl")
    assert hub_cache.is_damaged(link)


def test_a_cache_that_may_not_be_looked_into_is_none(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.download(REPO)

    def refuse(path: Path, pattern: str) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "glob", refuse)
    with caplog.at_level(logging.WARNING):
        assert on_disk(REPO) is None
    assert "cannot be looked at" in caplog.text


def test_without_a_home_folder_nothing_is_kept_and_a_download_says_where_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "~/.cache/huggingface/hub")
    assert hub_cache.cached_repos() == {}
    assert hub_cache.cached_snapshot(REPO) is None
    assert hub_cache.remove(REPO) == 0
    with pytest.raises(DownloadFailed, match=r"no home folder.*Set HF_HOME"):
        hub.download(REPO)
