"""``config.example.env`` documents every setting there is, with its default, and no other."""

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from plugins.gpt2.settings import GPT2Settings
from plugins.ping.plugin import PingSettings
from townhall_bot.cli.settings_example import allowed, render
from townhall_bot.settings import Settings, env_names, load_settings

EXAMPLE = Path(__file__).parents[3] / "config.example.env"
MODELS = (Settings, GPT2Settings, PingSettings)


@pytest.fixture
def uncommented(tmp_path: Path) -> Path:
    """The example with every setting switched on."""
    path = tmp_path / ".env"
    path.write_text(re.sub(r"^# (TOWNHALL_\w+=)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE))
    return path


def test_the_file_names_every_setting_and_no_other(uncommented: Path) -> None:
    assert list(dotenv_values(uncommented)) == [name for model in MODELS for name in env_names(model)]


@pytest.mark.parametrize("model", MODELS)
def test_the_values_in_the_file_are_the_defaults(
    model: type[Settings | GPT2Settings | PingSettings], uncommented: Path, tmp_path: Path
) -> None:
    assert load_settings(model, uncommented) == load_settings(model, tmp_path / "no file")


def test_every_setting_is_described() -> None:
    for model in MODELS:
        for name, info in env_names(model).items():
            assert info.description, name


def test_the_file_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == render(MODELS), (
        "run: python -m townhall_bot.cli.settings_example > config.example.env"
    )


def test_what_is_allowed_is_told_from_the_type() -> None:
    assert allowed(Settings.model_fields["log_level"]) == "One of DEBUG, INFO, WARNING, ERROR."
    assert allowed(Settings.model_fields["guild"]) == "Allowed: more than 0."
    assert allowed(PingSettings.model_fields["public"]) == "true or false."
    assert allowed(Settings.model_fields["token"]) == ""
