"""What the host sets: found in the environment and .env, refused with a cure where it is wrong."""

import os
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from plugins.ping.plugin import PingSettings
from townhall_bot.cli import main
from townhall_bot.plugins import PluginSettings
from townhall_bot.plugins.discovery import prepare
from townhall_bot.settings import (
    Settings,
    SettingsError,
    export_other_variables,
    given_settings,
    load_settings,
    unknown_settings,
)


class LampSettings(PluginSettings):
    model_config = SettingsConfigDict(env_prefix="TOWNHALL_LAMP_")

    watts: int = Field(default=40, ge=1, le=100, description="How bright.")
    key: SecretStr | None = Field(default=None, min_length=8, description="Opens the lamp.")


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("TOWNHALL_GUILD=home", "'home' (from {file}) is not allowed: it must be a whole number. A server's id"),
        ("TOWNHALL_DRAIN_S=soon", "it must be a number. "),
        ("TOWNHALL_PING_PUBLIC=perhaps", "it must be true or false. "),
        ("TOWNHALL_LOG_FORMAT=xml", "it must be 'text' or 'json'. "),
        ("TOWNHALL_DRAIN_S=nan", "it must be less than or equal to 600. "),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(line: str, said: str, env_file: Path) -> None:
    env_file.write_text(line)
    with pytest.raises(SettingsError) as caught:
        load_settings(PingSettings if "PING" in line else Settings, env_file)
    assert said.format(file=env_file) in str(caught.value)
    assert not any(word in str(caught.value) for word in ("Input", "parse", "None", "Default: ()"))


def test_a_variable_in_small_letters_is_told_as_the_environments(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("townhall_guild", "home")
    with pytest.raises(SettingsError, match="from the environment"):
        load_settings(Settings, env_file)


def test_blanks_around_a_choice_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_LOG_LEVEL", " debug ")
    monkeypatch.setenv("TOWNHALL_LOG_FORMAT", "JSON ")
    settings = load_settings(Settings, None)
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


def test_nothing_set_means_the_defaults(env_file: Path) -> None:
    settings = load_settings(Settings, env_file)
    assert settings.token is None
    assert settings.log_level == "INFO"
    assert settings.data_dir.name == "townhall"
    assert settings.wants("anything")


def test_a_file_is_read_and_the_environment_wins(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("TOWNHALL_LOG_LEVEL=debug\nTOWNHALL_GUILD=17\nTOWNHALL_LAMP_WATTS=60\nHF_HOME=/models\n")
    monkeypatch.setenv("TOWNHALL_GUILD", "18")
    settings = load_settings(Settings, env_file)
    assert (settings.log_level, settings.guild) == ("DEBUG", 18)
    assert load_settings(LampSettings, env_file).watts == 60


def test_an_empty_value_counts_as_unset(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("TOWNHALL_TOKEN=\nTOWNHALL_GUILD=\nTOWNHALL_LOG_LEVEL=ERROR\n")
    monkeypatch.setenv("TOWNHALL_LOG_LEVEL", "")
    settings = load_settings(Settings, env_file)
    assert settings.token is None
    assert settings.guild is None
    assert settings.log_level == "ERROR"


def test_a_wrong_value_is_named_with_what_was_given_and_what_is_allowed(env_file: Path) -> None:
    env_file.write_text("TOWNHALL_LAMP_WATTS=900\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(LampSettings, env_file)
    message = str(caught.value)
    assert "TOWNHALL_LAMP_WATTS" in message
    assert "'900'" in message
    assert "less than or equal to 100" in message
    assert "Default: 40" in message
    assert str(env_file) in message


def test_every_wrong_value_is_named_at_once(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("TOWNHALL_LOG_LEVEL=loud\n")
    monkeypatch.setenv("TOWNHALL_GUILD", "home")
    with pytest.raises(SettingsError) as caught:
        load_settings(Settings, env_file)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["TOWNHALL_GUILD", "TOWNHALL_LOG_LEVEL"]
    assert "the environment" in lines[0]
    assert "'DEBUG', 'INFO', 'WARNING' or 'ERROR'" in lines[1]


def test_a_secret_is_never_shown(env_file: Path) -> None:
    env_file.write_text("TOWNHALL_LAMP_KEY=hunter2\nTOWNHALL_TOKEN=topsecret\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(LampSettings, env_file)
    assert "TOWNHALL_LAMP_KEY" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "topsecret" not in repr(load_settings(Settings, env_file))


def test_a_misspelt_name_gets_a_warning_with_the_nearest_one(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("TOWNHALL_LAMP_WATS=60\n")
    monkeypatch.setenv("TOWNHALL_TOKENS", "x")
    first, second = unknown_settings([Settings, LampSettings], given_settings(env_file))
    assert first.startswith("TOWNHALL_LAMP_WATS is not a setting")
    assert "TOWNHALL_LAMP_WATTS?" in first
    assert "TOWNHALL_TOKEN?" in second


def test_names_that_are_right_get_no_warning(env_file: Path) -> None:
    env_file.write_text("TOWNHALL_LAMP_WATTS=60\nPATH_TO_NOWHERE=1\n")
    assert unknown_settings([Settings, LampSettings], given_settings(env_file)) == []


@pytest.mark.parametrize(
    ("given", "loaded"),
    [("", {"gpt2", "ping"}), ("ping", {"ping"}), (" gpt2 , ping,", {"gpt2", "ping"}), ("-gpt2", {"ping"})],
)
def test_plugins_are_let_in_or_left_out_by_name(
    given: str, loaded: set[str], env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_PLUGINS", given)
    settings = load_settings(Settings, env_file)
    assert {name for name in ("gpt2", "ping") if settings.wants(name)} == loaded


def test_letting_in_and_leaving_out_do_not_mix(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_PLUGINS", "gpt2,-ping")
    with pytest.raises(SettingsError, match=r"TOWNHALL_PLUGINS.*not both"):
        load_settings(Settings, env_file)


def test_a_home_folder_is_expanded(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", "~/bot")
    assert load_settings(Settings, env_file).data_dir == Path.home() / "bot"


def test_a_file_that_is_no_text_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"TOWNHALL_GUILD=\xff\xfe\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(Settings, env_file)


def test_what_other_programs_read_reaches_them_and_yields_to_the_environment(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", "/mine")
    monkeypatch.setenv("HF_ENDPOINT", "to be removed")
    monkeypatch.delenv("HF_ENDPOINT")
    env_file.write_text("HF_HOME=/theirs\nHF_ENDPOINT=http://127.0.0.1:9\nTOWNHALL_GUILD=5\n")
    export_other_variables(env_file)
    assert os.environ["HF_HOME"] == "/mine"
    assert os.environ["HF_ENDPOINT"] == "http://127.0.0.1:9"
    assert "TOWNHALL_GUILD" not in os.environ


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system knows no home folder of, as in a container that was given a bare user id."""

    def no_home(path: str) -> str:
        return path

    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", no_home)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_is_asked_for_a_folder_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["backup", "copy.db"]) == 2
    said = capsys.readouterr().err
    assert "TOWNHALL_DATA_DIR is needed: this user has no home folder" in said
    monkeypatch.setenv("TOWNHALL_DATA_DIR", "~/data")
    assert main(["run"]) == 2
    assert "'~/data' (from the environment) is not allowed: this user has no home folder" in capsys.readouterr().err


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_who_names_a_folder_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path))
    assert prepare(None)[0].data_dir == tmp_path
