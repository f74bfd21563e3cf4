"""A new option is a row of the table and its texts: everything else follows, and what cannot be is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

import plugins.gpt2.messages
from plugins.gpt2 import plugin
from plugins.gpt2.chat import option_table
from plugins.gpt2.chat.generate_command import generate_command
from plugins.gpt2.chat.option_table import OPTIONS, Option, OptionTable
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import Bounds
from tests.plugins.gpt2.fake_plugin import answered, begin, finished, opened
from townhall_bot.i18n import Texts
from townhall_bot.loopback import CommandRefused, Guild, Person
from townhall_bot.testkit import StartTownhall

ROW = Option("warmth", float, Bounds(0, 5), "W", lambda rules, host: 1.5, edited=True, shown="timing.option")
LESS = tuple(replace(row, edited=row.name == "count") for row in OPTIONS)
"""The rows there are, with room in the form."""
LINES = {
    "en": {"[gpt2]": 'warmth = "How warm it is"', "[form]": 'warmth = "Warmth"'},
    "de": {"[gpt2]": 'warmth = "Wie warm es ist"', "[form]": 'warmth = "Wärme"'},
}


@pytest.fixture
def a_new_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row in the table, and a few lines in the files of texts."""
    monkeypatch.setattr(option_table, "OPTIONS", OptionTable(*LESS, ROW))
    here = Path(plugins.gpt2.messages.__file__)
    shutil.copytree(here.parent / "locale", tmp_path / "locale")
    for language, lines in LINES.items():
        path = tmp_path / "locale" / f"{language}.toml"
        text = path.read_text(encoding="utf-8")
        for header, line in lines.items():
            text = text.replace(f"\n{header}\n", f"\n{header}\n{line}\n")
        path.write_text(text, encoding="utf-8")
    with_lines = Texts.beside(str(tmp_path / here.name))
    for part, value in vars(with_lines).items():
        monkeypatch.setattr(TEXTS, part, value)


async def test_a_row_and_its_texts_make_an_option_in_the_command_the_buttons_the_form_and_below_the_text(
    start_townhall: StartTownhall, guild: Guild, ada: Person, a_new_option: None
) -> None:
    townhall = await begin(start_townhall)
    [command] = [command for command in guild.world.registered(None) if command.name == "gpt2"]
    option = command.definition["options"][-1]
    assert (option["name"], option["description"]) == ("warmth", "How warm it is")
    assert option["description_localizations"]["de"] == "Wie warm es ist"
    assert (option["min_value"], option["max_value"]) == (0, 5)
    with pytest.raises(CommandRefused, match="warmth"):
        await ada.type("/gpt2 prompt:Hello warmth:5.5")

    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:3 seed:7 warmth:2.5 timing:True")
    assert " · seed 7 · warmth 2.5 · fake on" in turn.text
    assert all(str(button["custom_id"]).endswith("E1V1W1xg") for button in turn.message.buttons)
    again = await finished(await ada.press(turn.message, "Again"))
    assert " · warmth 2.5 · fake on" in again.text

    form = await opened(ada, turn.message, "Edit…")
    colder = await finished(await ada.submit(form, warmth="0,5"))
    assert " · warmth 0.5 · fake on" in colder.text
    form = await opened(ada, turn.message, "Edit…")
    wrong = await ada.submit(form, warmth="warm")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.splitlines()[0] == "Warmth must be a number from 0 to 5, not “warm”."


async def test_buttons_from_before_an_option_go_on_with_its_default(
    start_townhall: StartTownhall, ada: Person, a_new_option: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(option_table, "OPTIONS", OptionTable(*LESS))
        townhall = await begin(start_townhall)
        turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:3 timing:True")
        await townhall.stop()
    await begin(start_townhall)
    again = await finished(await ada.press(turn.message, "Again"))
    assert "warmth" not in again.text
    form = await opened(ada, turn.message, "Edit…")
    fields = [row["components"][0] for row in form.modal["components"]] if form.modal else []
    assert [(field["custom_id"], field["value"]) for field in fields[1:]] == [("count", "3"), ("warmth", "1.5")]


async def test_a_command_made_from_the_table_takes_what_discord_py_gives_to_any_other(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_suggestions(responder: Responder) -> app_commands.Command[Any, ..., Any]:
        command = generate_command(responder)

        @command.autocomplete("count")
        async def suggest(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
            return [app_commands.Choice(name=f"{typed}0", value=int(typed) * 10)]

        return command

    monkeypatch.setattr(plugin, "generate_command", with_suggestions)
    await begin(start_townhall)
    assert [choice["value"] for choice in await ada.complete("/gpt2 prompt:Hello count:3")] == [30]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([replace(ROW, code="T")], "the same name or code"),
        ([replace(ROW, name="count")], "the same name or code"),
        ([replace(ROW, code="w")], "one capital letter"),
        ([replace(ROW, code="WA")], "one capital letter"),
        ([replace(ROW, bounds=Bounds(-1, 1))], "no negative numbers"),
        ([replace(ROW, kind=bool)], "numbers only"),
        ([replace(ROW, name=f"warm{n}", code=c) for n, c in enumerate("WXYZ")], "4 more fields at most, not 5: choose"),
        (
            [replace(ROW, name=f"warm{n}", code=None, edited=False) for n in range(15)],
            "24 more options at most, not 25",
        ),
    ],
)
def test_rows_that_do_not_fit_together_are_refused_with_the_reason(rows: list[Option], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        OptionTable(*LESS, *rows)
