"""What goes wrong with the hub is told in words, with what to do about it."""

from __future__ import annotations

import logging

import pytest
from huggingface_hub import constants

from plugins.gpt2.checkpoint.checkpoint import (
    DownloadFailed,
    UnknownModel,
    open_checkpoint,
)
from tests.plugins.gpt2.checkpoint.small_hub import REPO, SmallHub


def test_a_hub_that_keeps_hanging_up_is_given_up_in_words(small_hub: SmallHub, no_waiting: None) -> None:
    small_hub.cuts.extend([0] * 20)
    with pytest.raises(
        DownloadFailed, match=rf"downloading {REPO} from http://127.*failed: .*Check the network and HF_"
    ):
        open_checkpoint(REPO)
    small_hub.cuts.clear()
    open_checkpoint(REPO).close()


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


def test_a_full_disk_is_found_out_before_the_download(small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 100_000

    monkeypatch.setattr("plugins.gpt2.checkpoint.download.shutil.disk_usage", lambda path: Usage)
    with pytest.raises(DownloadFailed, match=r"needs 0 MB, but only 0 MB are free at \S+cache.*HF_HOME"):
        open_checkpoint(REPO)
    assert small_hub.gets(".safetensors") == []
