"""What the hub, or a mirror with a password in its address, says is told without what must stay secret."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from huggingface_hub import constants

from plugins.gpt2.checkpoint.checkpoint import CheckpointError, DownloadFailed, open_checkpoint
from tests.plugins.gpt2.checkpoint.small_hub import REPO, SmallHub


@pytest.mark.parametrize("failure", ["away", "broken", "unknown", "gated", "lacking"])
def test_what_a_mirrors_address_hides_is_never_shown(
    small_hub: SmallHub, no_waiting: None, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    repo = "people/smal" if failure == "unknown" else REPO
    where = "http://127.0.0.1:9" if failure == "away" else small_hub.url
    secret = where.replace("//", "//me:hush@") + ("/tok-en" if failure == "away" else "")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(small_hub.url, secret)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", secret)
    if failure in ("broken", "gated"):
        (small_hub.broken if failure == "broken" else small_hub.gated).add(REPO)
    if failure == "lacking":
        (small_hub.repos[REPO] / "vocab.json").unlink()
    with pytest.raises(CheckpointError) as failed:
        open_checkpoint(repo)
    told = "".join(traceback.format_exception(failed.value))
    assert where in str(failed.value) or failure == "lacking"
    assert not [word for word in ("hush", "tok-en") if word in told]


@pytest.mark.parametrize("endpoint", ["hub", "http://u:hush@[x", "ftp://u:hush@h", "http://hush@h:99999"])
def test_an_endpoint_that_is_no_address_is_named(
    small_hub: SmallHub, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    with pytest.raises(DownloadFailed, match="HF_ENDPOINT is no address of a hub") as failed:
        open_checkpoint(REPO)
    assert "hush" not in str(failed.value)


@pytest.mark.parametrize("command", ["gpt2 --model_size someone/model", "models", "models download gpt2"])
def test_an_endpoint_that_cannot_be_read_is_named_by_every_command(tmp_path: Path, command: str) -> None:
    """In a process of its own: the library reads the variable when it is first imported, and fails to be."""
    environment = {**os.environ, "HF_ENDPOINT": "http://u:hush@[x", "HF_HOME": str(tmp_path)}
    program = [sys.executable, "-m", "townhall_bot", *command.split()]
    run = subprocess.run(
        program, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 1
    assert "HF_ENDPOINT is no address of a hub (‹not shown›); it must be like https://hub.example." in run.stderr
    assert "hush" not in run.stdout + run.stderr
