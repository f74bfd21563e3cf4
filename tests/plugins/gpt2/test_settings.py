from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from plugins.gpt2.engine.sampling import check_sampling
from plugins.gpt2.protocol import BOUNDS
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.settings import SettingsError, load_settings

Apply = Callable[[Mapping[str, str]], None]


def load(clean_settings: Apply, **given: str) -> GPT2Settings:
    clean_settings({f"TOWNHALL_GPT2_{name}": value for name, value in given.items()})
    return load_settings(GPT2Settings, env_file=None)


def test_without_settings_the_embedded_model_serves(clean_settings: Apply) -> None:
    settings = load(clean_settings)
    assert settings.model == "townhall-mini"
    assert settings.default_count <= settings.max_count
    check_sampling(settings.sampling)


def test_settings_come_from_the_environment(clean_settings: Apply) -> None:
    settings = load(clean_settings, MODEL="gpt2", ALLOWED_MODELS="gpt2, people/poet ,", WEIGHTS="fp16", THREADS="3")
    assert settings.model == "gpt2"
    assert settings.allowed_models == ("gpt2", "people/poet")
    assert (settings.weights, settings.threads) == ("fp16", 3)


def test_an_empty_value_counts_as_unset(clean_settings: Apply) -> None:
    assert load(clean_settings, WEIGHTS="", DEVICE="").weights is None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("WEIGHTS", "int5", "int4"),
        ("ROWS", "0", "1"),
        ("MAX_COUNT", "5000", "1024"),
        ("TEMPERATURE", "9", "2"),
        ("DEADLINE_S", "-1", "0"),
        ("THREADS", "many", "whole number"),
    ],
)
def test_a_wrong_value_is_refused_with_name_value_and_what_is_allowed(
    clean_settings: Apply, name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(clean_settings, **{name: value})
    assert all(word in str(refusal.value) for word in (f"TOWNHALL_GPT2_{name}", value, allowed))


def test_a_default_count_above_the_maximum_is_refused_naming_both(clean_settings: Apply) -> None:
    with pytest.raises(SettingsError, match=r"TOWNHALL_GPT2_DEFAULT_COUNT is 90.*TOWNHALL_GPT2_MAX_COUNT \(50\)"):
        load(clean_settings, DEFAULT_COUNT="90", MAX_COUNT="50")


def test_defaults_of_a_request_stay_within_what_a_request_may_have() -> None:
    for name in ("temperature", "top_p", "repetition_penalty"):
        field = GPT2Settings.model_fields[name]
        limits = {type(part).__name__: part for part in field.metadata}
        assert (limits["Ge"].ge, limits["Le"].le) == BOUNDS[name]
