"""Selects of people, roles and channels, forms behind buttons, menus of people, completing numbers."""

from __future__ import annotations

import discord
import pytest
from discord import app_commands, ui

from tests.townhall_bot.loopback.example_bot import Connect, ExampleBot
from townhall_bot.loopback import CommandRefused, TownhallWorld


class Pickers(ui.View):
    @ui.select(cls=ui.UserSelect, custom_id="user", max_values=2)
    async def user(self, interaction: discord.Interaction, select: ui.UserSelect[Pickers]) -> None:
        await interaction.response.send_message(f"people: {', '.join(each.display_name for each in select.values)}")

    @ui.select(cls=ui.RoleSelect, custom_id="role")
    async def role(self, interaction: discord.Interaction, select: ui.RoleSelect[Pickers]) -> None:
        await interaction.response.send_message(f"role: {select.values[0].name}")

    @ui.select(cls=ui.ChannelSelect, custom_id="channel")
    async def channel(self, interaction: discord.Interaction, select: ui.ChannelSelect[Pickers]) -> None:
        await interaction.response.send_message(f"channel: {select.values[0].name}")

    @ui.select(cls=ui.MentionableSelect, custom_id="any")
    async def anything(self, interaction: discord.Interaction, select: ui.MentionableSelect[Pickers]) -> None:
        await interaction.response.send_message(f"any: {type(select.values[0]).__name__}")


class Rename(ui.Modal, title="Rename"):
    new: ui.TextInput[Rename] = ui.TextInput(label="New name", min_length=2, max_length=8)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.edit_message(content=f"now called {self.new.value}")


class Door(ui.View):
    @ui.button(label="Rename")
    async def rename(self, interaction: discord.Interaction, _: ui.Button[Door]) -> None:
        await interaction.response.send_modal(Rename())


@pytest.fixture
async def bot(connect: Connect) -> ExampleBot:
    bot = ExampleBot()

    @bot.tree.command(description="Offers all there is")
    async def pick(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("pick", view=Pickers())

    @bot.tree.command(description="Has a button that opens a form")
    async def door(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("called door", view=Door())

    @bot.tree.command(description="Counts")
    async def many(interaction: discord.Interaction, number: int) -> None:
        await interaction.response.send_message(str(number + 1))

    @many.autocomplete("number")
    async def offer(_: discord.Interaction, current: str) -> list[app_commands.Choice[int]]:
        return [app_commands.Choice(name=f"{current or 0} and {n}", value=n) for n in (1, 2)]

    @bot.tree.context_menu(name="Wave")
    async def wave(interaction: discord.Interaction, member: discord.Member) -> None:
        await interaction.response.send_message(f"o/ {member.display_name}", ephemeral=True)

    return await connect(bot)


@pytest.mark.parametrize(
    ("menu", "values", "answer"),
    [
        ("user", ("ben",), "people: ben"),
        ("user", ("ben", "admin"), "people: ben, admin"),
        ("role", ("admin",), "role: admin"),
        ("channel", ("gpt2",), "channel: gpt2"),
        ("any", ("ben",), "any: Member"),
    ],
)
async def test_people_roles_and_channels_can_be_chosen(
    bot: ExampleBot, world: TownhallWorld, menu: str, values: tuple[str, ...], answer: str
) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/pick")
    await turn.acknowledged()
    chosen = await ada.select(turn.message, *values, custom_id=menu)
    await chosen.acknowledged()
    assert chosen.text == answer


async def test_what_is_not_offered_cannot_be_chosen(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/pick")
    await turn.acknowledged()
    with pytest.raises(CommandRefused, match="expected 1 to 2 choices, got 3"):
        await ada.select(turn.message, "ada", "ben", "admin", custom_id="user")
    with pytest.raises(CommandRefused, match="nobody and nothing called 'zoe'"):
        await ada.select(turn.message, "zoe", custom_id="user")
    with pytest.raises(CommandRefused, match="no such select menu"):
        await ada.select(turn.message, "ada", custom_id="other")


async def test_a_button_opens_a_form_that_changes_the_button_s_message(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/door")
    await turn.acknowledged()
    opened = await ada.press(turn.message, "Rename")
    await opened.acknowledged()
    with pytest.raises(CommandRefused, match="expected 2 to 8 characters, got 1"):
        await ada.submit(opened, New_name="x")
    sent = await ada.submit(opened, New_name="gate")
    await sent.acknowledged()
    assert turn.text == "now called gate"


async def test_forms_and_buttons_work_in_direct_messages(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/door", channel=ada.direct_messages)
    await turn.acknowledged()
    opened = await ada.press(turn.message, "Rename")
    await opened.acknowledged()
    await (await ada.submit(opened, New_name="gate")).acknowledged()
    assert turn.text == "now called gate"
    assert ada.direct_messages.messages == [turn.message]


async def test_a_number_completes_as_numbers(bot: ExampleBot, world: TownhallWorld) -> None:
    choices = await world.people["ada"].complete("/many number:4")
    assert choices == [{"name": "4 and 1", "value": 1}, {"name": "4 and 2", "value": 2}]


async def test_a_person_s_menu_has_commands(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].use_menu("Wave", world.people["ben"])
    await turn.acknowledged()
    assert turn.text == "o/ ben"
    assert turn.message not in turn.channel.visible_to(world.people["ben"])
