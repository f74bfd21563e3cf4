"""A model's name leads to a folder or to the hub; one that leads nowhere is answered in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.checkpoint import Checkpoint, CheckpointError, UnknownModel, open_checkpoint


def refused_by_the_system(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Have the system refuse what it would refuse anybody but root, whom the tests may run as."""

    def refuse(path: Path, **_: object) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, method, refuse)


def test_a_folder_that_may_not_be_looked_into_is_told_in_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint("name", folder)
    refused_by_the_system(monkeypatch, "exists")
    with pytest.raises(CheckpointError, match=r"config\.json: cannot be read: Permission denied\. Check the path and"):
        Checkpoint("name", folder)
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: cannot be read: Permission denied"):
        checkpoint.tokenizer()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("gpt2-medum", "Did you mean gpt2-medium"),
        ("GPT2-XL", "Did you mean gpt2-xl"),
        ("zebra", "Known are townhall-mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl"),
        ("", "is not the name of a model"),
        ("a/b/c", "no model is called"),
        ("a/..", "no model is called"),
        ("./nothing", "there is no such folder"),
        ("~/nothing here", "there is no such folder"),
        ("nul\0", "is not the name of a model"),
        ("~nosuchuser/m", "there is no home folder of ~nosuchuser on this machine"),
        ("./" + "x" * 300, r"x{100,}…: it cannot be looked at \(File name too long\)"),
        ("x" * 5000, r"no model is called 'x{300}…'"),
    ],
)
def test_an_unknown_model_is_answered_with_what_is_known(name: str, complaint: str) -> None:
    with pytest.raises(UnknownModel, match=complaint):
        open_checkpoint(name)


def test_a_folder_whose_parent_may_not_be_looked_into_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    refused_by_the_system(monkeypatch, "is_dir")
    with pytest.raises(
        UnknownModel, match=r"/secret/model: it cannot be looked at \(Permission denied\); check the path"
    ):
        open_checkpoint("/secret/model")


def test_a_folder_may_be_given_relative_to_home_and_to_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder.parent)
    for name in ("~/model", "./model", "model"):
        with open_checkpoint(name) as checkpoint:
            assert checkpoint.folder == folder
    with open_checkpoint("townhall-mini") as mini:
        assert mini.folder != folder
