"""Commands that Discord would not register."""

from __future__ import annotations

from typing import Any

import pytest

from townhall_bot.loopback.world.command_rules import check_all
from townhall_bot.loopback.world.errors import DiscordError


def command(**changed: Any) -> dict[str, Any]:
    return {"name": "ask", "description": "Ask the model", "type": 1} | changed


def option(**changed: Any) -> dict[str, Any]:
    return {"name": "text", "description": "What to ask", "type": 3} | changed


def faults(*commands: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(DiscordError) as refused:
        check_all(list(commands))
    assert refused.value.code == 50035
    assert refused.value.errors is not None
    return refused.value.errors


def test_good_commands_pass() -> None:
    choices = [{"name": "Small", "value": "s"}]
    sub = {"name": "set", "description": "Set it", "type": 1, "options": [option()]}
    check_all(
        [
            command(options=[option(required=True), option(name="n", type=4, min_value=1, max_value=9)]),
            command(name="größe", options=[option(choices=choices)]),
            command(name="config", options=[sub]),
            {"name": "Continue with GPT-2", "type": 3},
        ]
    )


@pytest.mark.parametrize("name", ["", "Ask", "ask me", "x" * 33, "a/b", "ask!"])
def test_names_are_lower_case_words_of_up_to_32(name: str) -> None:
    assert "name" in faults(command(name=name))["0"]


@pytest.mark.parametrize("description", ["", "x" * 101, None])
def test_descriptions_have_1_to_100_characters(description: str | None) -> None:
    assert "description" in faults(command(description=description))["0"]


def test_a_menu_command_has_no_description() -> None:
    assert "description" in faults({"name": "Shout", "type": 3, "description": "Loud"})["0"]


def test_two_commands_of_one_name_and_type_clash() -> None:
    assert faults(command(), command())["1"]["_errors"][0]["code"] == "APPLICATION_COMMANDS_DUPLICATE_NAME"
    check_all([command(), {"name": "ask", "type": 3}])


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ([option(name=f"o{n}") for n in range(26)], ()),
        ([option(), option()], ("1", "name")),
        ([option(), option(name="must", required=True)], ("1",)),
        ([option(type=12)], ("0", "type")),
        ([option(description="")], ("0", "description")),
        ([option(choices=[{"name": "n", "value": str(n)} for n in range(26)])], ("0", "choices")),
        ([option(choices=[{"name": "x" * 101, "value": "x"}])], ("0", "choices", "0", "name")),
        ([option(type=4, choices=[{"name": "one", "value": "1"}])], ("0", "choices", "0", "value")),
        ([option(choices=[{"name": "a", "value": "a"}], autocomplete=True)], ("0", "autocomplete")),
        ([option(min_value=1)], ("0", "min_value")),
        ([option(type=4, min_value=2, max_value=1)], ("0", "max_value")),
        ([option(type=4, max_value=2**53)], ("0", "max_value")),
        ([option(type=4, min_value=0.5)], ("0", "min_value")),
        ([option(max_length=6001)], ("0", "max_length")),
        ([option(type=4, min_length=1)], ("0", "min_length")),
        ([option(), option(name="sub", type=1)], ()),
        ([option(name="group", type=2, options=[option(name="deeper", type=2, options=[])])], ("0", "options", "0")),
    ],
)
def test_options_break_no_rule(options: list[dict[str, Any]], place: tuple[str, ...]) -> None:
    found = faults(command(options=options))["0"]["options"]
    for key in place:
        found = found[key]
    assert found


def test_a_command_s_texts_together_have_a_limit() -> None:
    choices = [{"name": f"{n:03}" + "x" * 97, "value": f"{n:03}" + "y" * 97} for n in range(25)]
    options = [option(name=f"o{n}", choices=choices) for n in range(2)]
    assert faults(command(options=options))["0"]["_errors"][0]["code"] == "APPLICATION_COMMAND_TOO_LARGE"


def test_there_are_only_so_many_commands() -> None:
    assert faults(*(command(name=f"c{n}") for n in range(101)))["_errors"]
    assert faults(*({"name": f"m{n}", "type": 3} for n in range(16)))["_errors"]
