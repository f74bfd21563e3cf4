"""Models that were trained here: found by name, in the bot and on the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.checkpoint import UnknownModel, on_disk
from plugins.gpt2.checkpoint.model_names import MINI_FOLDER, locate
from plugins.gpt2.checkpoint.own_models import is_name, own_models, run_folder, unfinished_models
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.settings import GPT2Settings
from tools.random_checkpoint import RECIPES, write_checkpoint
from townhall_bot.testkit import CleanSettings


@pytest.fixture
def models(tmp_path: Path, clean_settings: CleanSettings) -> Path:
    """The folder of own models, with one in it."""
    clean_settings({"TOWNHALL_DATA_DIR": str(tmp_path)})
    shutil.copytree(MINI_FOLDER, tmp_path / "models" / "our-voice")
    return tmp_path / "models"


def test_a_model_is_found_by_its_name(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert locate("our-voice").folder == on_disk("our-voice") == models / "our-voice"
    (tmp_path / "here" / "our-voice").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert locate("our-voice").folder == models / "our-voice"
    assert locate("./our-voice").folder == tmp_path / "here" / "our-voice"
    with pytest.raises(UnknownModel, match="Did you mean our-voice"):
        locate("our-voise")


def test_half_of_a_model_is_none(models: Path) -> None:
    run_folder(models, "later").mkdir()
    (models / ".our-voice.made").mkdir()
    assert (own_models(), unfinished_models()) == (["our-voice"], ["later"])


def test_a_name_is_no_path() -> None:
    assert all(is_name(name) for name in ("a", "our-voice", "Voice.2_b"))
    assert not any(is_name(name) for name in ("", ".", "..", ".a", "a.", "a/b", "a\\b", "a b", "ä", "a\n", "x" * 65))


def test_admins_are_offered_it_only_where_the_host_names_it(models: Path) -> None:
    assert "our-voice" not in ModelCatalog(GPT2Settings.model_validate({})).allowed
    catalog = ModelCatalog(GPT2Settings.model_validate({"allowed_models": "townhall-mini,our-voice"}))
    entry = next(entry for entry in catalog.entries() if entry.name == "our-voice")
    assert entry.on_disk
    assert entry.parameters == pytest.approx(10_200_000, rel=0.01)


def test_a_model_named_by_its_folder_is_opened_without_pydantic(tmp_path: Path) -> None:
    recipe = RECIPES["three-heads"]
    folder = write_checkpoint(tmp_path / "model", recipe.config, recipe.seed)
    program = (
        "import sys; from plugins.gpt2.checkpoint.checkpoint import open_checkpoint; "
        f"open_checkpoint({str(folder)!r}); print('pydantic' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
