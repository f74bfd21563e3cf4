"""Settings and ``.env`` files with anything in them: used, or refused by name, and no secret is ever shown."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from plugins.gpt2.settings import GPT2Settings
from plugins.ping.plugin import PingSettings
from townhall_bot.machine.env_file import set_secret
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


def refusal(use: Callable[[], object]) -> str | None:
    """Return what a host is told, None where what they wrote is used."""
    try:
        use()
    except SettingsError as error:
        return str(error)
    return None


@given(given_values=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_settings_are_used_or_refused_by_name(given_values: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, {**given_values, "TOWNHALL_TOKEN": SECRET}, clear=True):
        for model in MODELS:
            told = refusal(partial(load_settings, model, env_file=None))
            assert told is None or any(name in told for name in given_values)
            assert told is None or SECRET not in told


@given(content=st.binary(max_size=300) | VALUES.map(str.encode))
def test_an_env_file_may_hold_anything(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content)
    with mock.patch.dict(os.environ, {}, clear=True):
        for model in MODELS:
            told = refusal(partial(load_settings, model, env_file=path))
            assert told is None or any(name in told for name in (*NAMES, str(path)))
        for use in (export_other_variables, given_settings):
            told = refusal(partial(use, path))
            assert told is None or str(path) in told


@given(endings=st.sets(VALUES, max_size=6))
def test_a_misspelt_setting_is_named_without_its_value(endings: set[str]) -> None:
    misspelt = sorted({f"TOWNHALL_{ending}" for ending in endings}.difference(NAMES))
    warnings = unknown_settings(MODELS, dict.fromkeys([*misspelt, "TOWNHALL_TOKEN", "HOME"], SECRET))
    assert [warning.startswith(name) for warning, name in zip(warnings, misspelt, strict=True)] == [True] * len(
        misspelt
    )
    assert not any(SECRET in warning for warning in warnings)


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
