"""The ids of buttons: short enough for Discord, whatever is chosen, and read whichever version wrote them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.gpt2.chat.button_id import (
    ACTIONS,
    LIMIT,
    TEMPLATE,
    ButtonId,
    UnknownVersion,
    check_length,
    pack,
    unpack,
)
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.option_table import OPTIONS, Option, OptionTable, Value
from plugins.gpt2.protocol import Bounds

KEPT = list(OPTIONS.by_code.values())
LONGEST_NUMBER = 10**20 - 1
repeatable = settings(derandomize=True, database=None, deadline=None)


def names_of(*values: Value) -> dict[str, Value]:
    return dict(zip(("count", "temperature", "top_k", "top_p", "timing"), values, strict=True))


@pytest.mark.parametrize(
    ("old", "values"),
    [  # as the bot wrote them on messages before options had letters
        ("gpt2:again:1410000000000000001:0:60,0.8,0,0.95,0", (60, 0.8, 0, 0.95, False)),
        ("gpt2:continue:1410000000000000001:0:300,1.234,40,0.9,1", (300, 1.234, 40, 0.9, True)),
        ("gpt2:edit:80351110224678912:1410000000000000777:1024,2,1000,1,1", (1024, 2.0, 1000, 1.0, True)),
        ("gpt2:delete:1410000000000000001:0:1,0,0,0.01,0", (1, 0.0, 0, 0.01, False)),
        ("gpt2:stop:1410000000000000001:1410000000000000888:20,0,0,0.95,1", (20, 0.0, 0, 0.95, True)),
    ],
)
def test_ids_of_the_first_version_are_read_for_ever(old: str, values: tuple[Value, ...]) -> None:
    match = TEMPLATE.fullmatch(old)
    assert match
    told = ButtonId.of(match)
    assert str(told) == old
    assert unpack(told.packed).values == names_of(*values)


@pytest.mark.parametrize(
    ("packed", "values"),
    [  # as the bot writes them; never to be changed, only added to
        ("2.C1oTm8S0K0PqeM0Rum", names_of(60, 0.8, 0, 0.95, False) | {"min_p": 0.0, "repetition_penalty": 1.102}),
        ("2.Csg", {"count": 1024}),
        ("2.", {}),
    ],
)
def test_ids_of_the_second_version_are_read_for_ever(packed: str, values: Mapping[str, Value]) -> None:
    assert unpack(packed).values == values
    assert pack(GenerationOptions(values)) == packed


def values_of(option: Option) -> st.SearchStrategy[Value]:
    low, high = (option.to_steps(bound) for bound in option.bounds)
    return st.integers(low, high).map(option.of_steps)


@repeatable
@given(st.fixed_dictionaries({}, optional={option.name: values_of(option) for option in KEPT}))
def test_what_is_packed_is_what_is_unpacked(values: dict[str, Value]) -> None:
    packed = pack(GenerationOptions(values))
    assert unpack(packed).values == values
    assert TEMPLATE.fullmatch(str(ButtonId("continue", LONGEST_NUMBER, LONGEST_NUMBER, packed)))


@repeatable
@given(st.from_regex(TEMPLATE, fullmatch=True))
def test_an_id_that_somebody_made_up_is_read_or_called_unknown(made_up: str) -> None:
    match = TEMPLATE.fullmatch(made_up)
    assert match
    try:
        options = unpack(ButtonId.of(match).packed)
    except UnknownVersion:
        return
    assert set(options.values) <= set(OPTIONS.by_name)


def test_the_longest_and_the_shortest_of_everything_fits_into_an_id() -> None:
    extremes = itertools.product(*({option.bounds.low, option.bounds.high} for option in KEPT))
    for values, action in itertools.product(extremes, ACTIONS):
        chosen = dict(zip((option.name for option in KEPT), values, strict=True))
        packed = pack(GenerationOptions(chosen))
        assert len(str(ButtonId(action, LONGEST_NUMBER, LONGEST_NUMBER, packed))) <= LIMIT
        assert unpack(packed).values == chosen


def test_options_that_would_not_fit_into_an_id_are_refused_when_the_bot_starts() -> None:
    free = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in OPTIONS.by_code]
    large = [Option(f"large_{letter}", int, Bounds(0, 2**53), letter, lambda rules, host: 0) for letter in free]
    check_length(OptionTable(*OPTIONS, large[0]))
    with pytest.raises(ValueError, match="the ids of buttons would have up to 120 characters; Discord takes 100"):
        check_length(OptionTable(*OPTIONS, *large[:3]))


@pytest.mark.parametrize("newer", ["3.anything-at-all", "2.C1kZ5", "2.C1k;", "60,0.8,0,0.95,1,0", "2"])
def test_what_a_newer_version_packed_is_told_from_what_can_be_read(newer: str) -> None:
    assert TEMPLATE.fullmatch(f"gpt2:again:1410000000000000001:0:{newer}")
    with pytest.raises(UnknownVersion):
        unpack(newer)
