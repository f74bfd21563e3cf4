"""Settings and ``.env`` files with anything in them: used, or refused by name, and no secret is ever shown."""

import os
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from plugins.gpt2.settings import GPT2Settings
from plugins.ping.plugin import PingSettings
from townhall_bot.env_file import set_secret
from townhall_bot.settings import (
    Settings,
    SettingsError,
    env_names,
    export_other_variables,
    given_settings,
    load_settings,
    unknown_settings,
)

MODELS = (Settings, GPT2Settings, PingSettings)
NAMES = sorted(name for model in MODELS for name in env_names(model))
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["true", "off", "[]", "{}", '["a"]', "null", "gpt2,../../etc", "1e999", "-", "%s", "~", "\n"]),
)
SECRET = "MTIzNDU2.Gabcde.a-secret-nobody-may-see"


def refused(error: SettingsError, names: set[str]) -> None:
    assert any(name in str(error) for name in names)
    assert SECRET not in str(error)


@given(given_values=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_settings_are_used_or_refused_by_name(given_values: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, {**given_values, "TOWNHALL_TOKEN": SECRET}, clear=True):
        for model in MODELS:
            try:
                load_settings(model, env_file=None)
            except SettingsError as error:
                refused(error, set(given_values))


@given(content=st.binary(max_size=300) | VALUES.map(str.encode))
def test_an_env_file_may_hold_anything(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content)
    with mock.patch.dict(os.environ, {}, clear=True):
        for model in MODELS:
            try:
                load_settings(model, env_file=path)
            except SettingsError as error:
                refused(error, {*NAMES, str(path)})
        try:
            export_other_variables(path)
            unknown_settings(MODELS, given_settings(path))
        except SettingsError as error:
            refused(error, {str(path)})


@given(lines=st.lists(VALUES.map(lambda text: " ".join(text.split())), max_size=6))
def test_a_new_token_leaves_every_other_line_as_it_is(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("\n".join(lines), encoding="utf-8")
    before = path.read_text(encoding="utf-8").splitlines()
    set_secret(path, "TOWNHALL_TOKEN", SECRET)
    after = path.read_text(encoding="utf-8").splitlines()
    assert after.count(f"TOWNHALL_TOKEN={SECRET}") == 1
    after.remove(f"TOWNHALL_TOKEN={SECRET}")
    assert after == [line for line in before if not line.lstrip().startswith("TOWNHALL_TOKEN=")]
