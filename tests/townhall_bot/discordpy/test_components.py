"""Buttons, menus and forms: who used one is told what failed, as with a command, and a test can wait for the end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import Person, Turn
from townhall_bot.plugins import LastingForm, Plugin, show_form
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

shown: list[discord.ui.Modal] = []
SURPRISE = "Something went wrong, and it was not your fault"


async def act(interaction: discord.Interaction[Any], how: str) -> None:
    """What each component of this plugin does."""
    match how:
        case "refuse":
            raise Refusal("Not today.")
        case "fail":
            raise RuntimeError("a plugin's mistake")
        case "ask":
            await interaction.response.send_modal(Form())
        case "ask-for-long":
            shown.append(long_form(interaction))
            await show_form(interaction, shown[-1])
        case _:
            await interaction.response.send_message(f"You chose {how}.", ephemeral=True)


class Lasting(discord.ui.DynamicItem[discord.ui.Button[Any]], template=re.compile(r"lasting:(?P<how>\w+)")):
    def __init__(self, how: str) -> None:
        super().__init__(discord.ui.Button(label=f"lasting {how}", custom_id=f"lasting:{how}"))
        self.how = how

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: re.Match[str], /) -> Lasting:
        if match["how"] == "vanish":
            raise RuntimeError("it cannot be made again")
        return cls(match["how"])

    async def interaction_check(self, interaction: discord.Interaction[Any]) -> bool:
        if self.how == "forbid":
            raise Refusal("Not yours.")
        return True

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await act(interaction, self.how)


class Short(discord.ui.View):
    @discord.ui.select(
        options=[discord.SelectOption(label=each) for each in ("tea", "refuse", "fail", "ask", "ask-for-long")]
    )
    async def pick(self, interaction: discord.Interaction[Any], menu: discord.ui.Select[Any]) -> None:
        await act(interaction, menu.values[0])


class Form(discord.ui.Modal, title="Say"):
    how: discord.ui.TextInput[Any] = discord.ui.TextInput(label="how", custom_id="how")

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        await act(interaction, self.how.value)


def long_form(interaction: discord.Interaction[Any]) -> discord.ui.Modal:
    """Return a form with fields as discord.py made them before it had labels, and as it does since."""
    modal = discord.ui.Modal(title="Say", custom_id=f"shop:say:{interaction.id}")
    modal.add_item(discord.ui.TextInput(label="how", custom_id="how"))
    whom: discord.ui.TextInput[Any] = discord.ui.TextInput(custom_id="whom", required=False)
    return modal.add_item(discord.ui.Label(text="to whom", component=whom))


class LongForm(LastingForm):
    template = re.compile(r"shop:say:\d+")

    async def submitted(
        self, interaction: discord.Interaction[Any], match: re.Match[str], typed: Mapping[str, str]
    ) -> None:
        await act(interaction, typed["how"] + typed["whom"])


class Shop(Plugin):
    name = "shop"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        @app_commands.command(name="shop", description="Show what there is")
        async def shop(interaction: discord.Interaction[Any]) -> None:
            view = Short()
            for how in ("tea", "refuse", "fail", "forbid", "vanish"):
                view.add_item(Lasting(how))
            await interaction.response.send_message("Welcome", view=view)

        return [shop]

    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        return [Lasting]

    def forms(self) -> Sequence[LastingForm]:
        return [LongForm()]


@pytest.fixture
def townhall_plugins() -> list[type[Plugin]]:
    return [Shop]


@pytest.fixture
async def shop(townhall: RunningTownhall, ada: Person) -> Turn:
    turn = await ada.type("/shop")
    await townhall.settled(turn)
    return turn


async def test_what_a_button_does_is_done_when_it_has_settled(
    townhall: RunningTownhall, ada: Person, shop: Turn
) -> None:
    pressed = await ada.press(shop.message, "lasting tea")
    assert await townhall.settled(pressed) is None
    assert pressed.text == "You chose tea."


@pytest.mark.parametrize(
    ("how", "told", "error"),
    [
        ("refuse", "Not today.", Refusal),
        ("forbid", "Not yours.", Refusal),
        ("fail", SURPRISE, RuntimeError),
        ("vanish", SURPRISE, RuntimeError),
    ],
)
async def test_who_presses_a_button_in_vain_is_told_why(
    how: str, told: str, error: type[Exception], townhall: RunningTownhall, ada: Person, shop: Turn
) -> None:
    pressed = await ada.press(shop.message, f"lasting {how}")
    assert isinstance(await townhall.settled(pressed), error)
    assert pressed.text.startswith(told)
    assert pressed.message.ephemeral


async def test_the_same_holds_for_a_menu(townhall: RunningTownhall, ada: Person, shop: Turn) -> None:
    chosen = await ada.select(shop.message, "tea")
    assert await townhall.settled(chosen) is None
    assert chosen.text == "You chose tea."
    for how, told in (("refuse", "Not today."), ("fail", SURPRISE)):
        chosen = await ada.select(shop.message, how)
        assert await townhall.settled(chosen) is not None
        assert chosen.text.startswith(told)


async def asked_at_length(townhall: RunningTownhall, person: Person) -> Turn:
    """Have the shop open its lasting form."""
    shop = await person.type("/shop")
    await townhall.settled(shop)
    asked = await person.select(shop.message, "ask-for-long")
    assert await townhall.settled(asked) is None
    return asked


@pytest.mark.parametrize(("how", "told"), [("tea", "You chose tea."), ("refuse", "Not today."), ("fail", SURPRISE)])
async def test_a_lasting_form_is_taken_after_a_restart(
    how: str, told: str, start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await start_townhall(Shop)
    asked = await asked_at_length(townhall, ada)
    assert shown[-1].is_finished()  # what is not, discord.py keeps until it is sent
    await townhall.stop()
    townhall = await start_townhall(Shop)
    sent = await ada.submit(asked, how=how)
    assert (await townhall.settled(sent) is None) is (how == "tea")
    assert sent.text.startswith(told)
    assert sent.message.ephemeral


async def test_a_lasting_form_has_each_field_by_its_id_and_is_gone_with_its_plugin(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await start_townhall(Shop)
    asked = await asked_at_length(townhall, ada)
    sent = await ada.submit(asked, how="tea", to_whom=" for two")
    assert await townhall.settled(sent) is None
    assert sent.text == "You chose tea for two."
    await townhall.stop()
    townhall = await start_townhall(PingPlugin)
    sent = await ada.submit(asked, how="tea")
    assert isinstance(await townhall.settled(sent), Refusal)
    assert sent.text.startswith("This no longer works")


@pytest.mark.parametrize(("how", "told"), [("tea", "You chose tea."), ("refuse", "Not today."), ("fail", SURPRISE)])
async def test_and_for_a_form(how: str, told: str, townhall: RunningTownhall, ada: Person, shop: Turn) -> None:
    asked = await ada.select(shop.message, "ask")
    assert await townhall.settled(asked) is None
    sent = await ada.submit(asked, how=how)
    assert (await townhall.settled(sent) is None) is (how == "tea")
    assert sent.text.startswith(told)


async def test_after_a_restart_what_lasts_goes_on_and_what_does_not_says_so(
    start_townhall: StartTownhall, townhall: RunningTownhall, ada: Person, shop: Turn
) -> None:
    await townhall.stop()
    again = await start_townhall(Shop)
    pressed = await ada.press(shop.message, "lasting tea")
    assert await again.settled(pressed) is None
    chosen = await ada.select(shop.message, "tea")
    assert isinstance(await again.settled(chosen), Refusal)
    assert chosen.text.startswith("This no longer works")
    assert chosen.message.ephemeral
