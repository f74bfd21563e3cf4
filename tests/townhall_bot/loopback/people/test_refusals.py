"""What a person may not do is told in their language; in the command line and in tests, in English."""

from __future__ import annotations

import ast
import inspect
import re
import string
from pathlib import Path

import discord
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot import loopback
from townhall_bot.loopback import CommandRefused, TownhallWorld
from townhall_bot.loopback.people.refusals import TEXTS

ENGLISH = TEXTS.of("en").as_written()
ROOM = Path(inspect.getfile(loopback)).parent


def raised() -> list[tuple[str, ast.Call]]:
    """Every refusal in the local Discord's code, by its file."""
    found = []
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CommandRefused":
                found.append((path.name, node))
    return found


def test_every_refusal_has_a_text_and_gives_its_values() -> None:
    calls = [(file, call) for file, call in raised() if isinstance(call.args[0], ast.Constant)]
    assert len(calls) > 30
    for file, call in calls:
        name = ast.literal_eval(call.args[0])
        assert name in ENGLISH, f"{file}: {name}"
        needed = {field for _, field, _, _ in string.Formatter().parse(ENGLISH[name]) if field}
        given = {keyword.arg for keyword in call.keywords}
        assert None in given or needed == given, f"{file}: {name} needs {needed}"


def test_no_refusal_is_left_over() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOM.rglob("*.py"))
    made = {"none", "option.integer_range", "option.number_range"}  # of an empty list, and of a kind of number
    assert not {name for name in ENGLISH if f'"{name}"' not in code} - made


@pytest.mark.parametrize(
    ("typed", "english", "german"),
    [
        ("/dance", "there is no command /dance here", "Es gibt hier keinen Befehl /dance; es gibt: /"),
        ("/grov words:2", "Did you mean /grow?", "Meinst du /grow?"),
        ("/grow words:many", "words: expected a whole number, got 'many'", "words: erwartet wird eine ganze Zahl"),
        ("/grow words:10", "a whole number between 1 and 9, got 10", "zwischen 1 und 9, nicht 10"),
        ("/grow words:2 unit:it", "'it' is none of the choices: hear, see", "„it“ steht nicht zur Wahl; es gibt: hear"),
        (
            "/config",
            "/config needs Manage Server, which ada lacks",
            "/config braucht „Server verwalten“, das ada fehlt",
        ),
    ],
)
async def test_a_refusal_is_told_in_english_and_in_german(
    typed: str, english: str, german: str, bot: ExampleBot, world: TownhallWorld
) -> None:
    with pytest.raises(CommandRefused, match=re.escape(english)) as refused:
        await world.people["ada"].type(typed)
    assert german in refused.value.told("de")
    assert refused.value.told("fr") == str(refused.value)


async def test_permissions_are_called_as_in_discords_settings(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    world.guild.overwrite(
        world.guild.channel("general"), ada, deny=discord.Permissions(send_messages=True, create_public_threads=True)
    )
    with pytest.raises(CommandRefused, match="ada lacks Send Messages in #general") as refused:
        await ada.say("hello")
    assert refused.value.told("de") == "ada fehlt „Nachrichten senden“ in #general"
    with pytest.raises(CommandRefused, match="ada lacks Create Public Threads in #general") as refused:
        await ada.start_thread("a thread", world.guild.channel("general"))
    assert refused.value.told("de") == "ada fehlt „Öffentliche Threads erstellen“ in #general"
