"""Panels of settings, pictures in cards, and what failed, as the page shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import discord
import pytest
from discord import app_commands

from tests.end_to_end.stage_plugin import PIXEL
from tests.end_to_end.tabs import OpenTab
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import RunningTownhall


class Panel(discord.ui.View):
    """A menu of channels, as it was chosen last."""

    def __init__(self, chosen: Sequence[int], most: int) -> None:
        super().__init__(timeout=None)
        menu: discord.ui.ChannelSelect[Panel] = discord.ui.ChannelSelect(
            placeholder="Everywhere",
            min_values=0,
            max_values=most,
            default_values=[discord.Object(each, type=discord.abc.GuildChannel) for each in chosen],
        )

        async def choose(interaction: discord.Interaction) -> None:
            names = ", ".join(channel.name for channel in menu.values) or "everywhere"
            panel = Panel([channel.id for channel in menu.values], most)
            await interaction.response.edit_message(content=f"Allowed: {names}", view=panel)

        menu.callback = choose  # type: ignore[method-assign]  # as decorators do
        self.add_item(menu)


class PanelPlugin(Plugin):
    """Shows panels and pictures."""

    name = "panel"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        """Bring a command for each thing to see."""

        @app_commands.command(description="Choose channels")
        async def channels(interaction: discord.Interaction, most: int = 2) -> None:
            await interaction.response.send_message("Choose!", view=Panel([], most))

        @app_commands.command(description="Show a picture in a card")
        async def picture(interaction: discord.Interaction) -> None:
            embed = discord.Embed(title="A card").set_image(url="attachment://dot.png")
            await interaction.response.send_message(embed=embed, file=discord.File(io.BytesIO(PIXEL), "dot.png"))

        @app_commands.command(description="Greet a role")
        async def greet(interaction: discord.Interaction, role: discord.Role) -> None:
            await interaction.response.send_message(f"Hello {role.mention}")

        return [channels, picture, greet]


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [PanelPlugin]


async def test_a_menu_shows_what_was_chosen_before_and_adds_to_it(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/channels ")
    await tab.last.get_by_role("button", name="Everywhere").click()
    await tab.page.get_by_role("option", name="#gpt2").click()
    await tab.page.get_by_role("button", name="Choose 1").click()
    await expect(tab.last.locator(".content")).to_contain_text("Allowed: gpt2")
    menu = tab.last.locator(".select")
    await expect(menu).to_have_text("#gpt2")
    await menu.click()
    await expect(tab.page.get_by_role("option", name="#gpt2")).to_have_attribute("aria-selected", "true")
    await tab.page.get_by_role("option", name="#general").click()
    await tab.page.get_by_role("button", name="Choose 2").click()
    await expect(menu).to_have_text("#general, #gpt2")


async def test_the_only_choice_of_a_menu_can_be_taken_back(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/channels most:1")
    await tab.last.get_by_role("button", name="Everywhere").click()
    await tab.page.get_by_role("option", name="#gpt2").click()
    await expect(tab.last.locator(".content")).to_contain_text("Allowed: gpt2")
    await tab.last.locator(".select").click()
    await tab.page.get_by_role("option", name="#gpt2").click()
    await expect(tab.last.locator(".content")).to_contain_text("Allowed: everywhere")
    await expect(tab.last.locator(".select")).to_have_text("Everywhere")


async def test_the_picture_of_a_card_is_shown_once(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/picture ")
    await expect(tab.last.locator(".embed img")).to_have_js_property("naturalWidth", 1)
    assert await tab.last.locator("img[src*='dot.png']").count() == 1


async def test_a_command_that_was_not_sent_stays_where_it_was_typed(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say("before")
    await tab.box.fill("/greet role:nobody")
    await tab.page.keyboard.press("Enter")
    failed = tab.page.locator(".pending.failed")
    await expect(failed).to_contain_text("there is nobody and nothing called 'nobody' here")
    await tab.say("after")
    await expect(tab.last).to_contain_text("after")
    order = await tab.page.locator(".message, .pending").all_inner_texts()
    assert "before" in order[0]
    assert "nobody" in order[1]
    assert "after" in order[2]


async def test_what_is_answered_is_quoted_in_a_line_without_marks(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say(f"**My fellow** *citizens*,\nthe end is **{'far ' * 60}** away")
    await tab.last.hover()
    await tab.last.get_by_role("button", name="Reply").click()
    await tab.say("Indeed")
    quoted = tab.last.locator(".origin-text")
    await expect(quoted).to_contain_text("My fellow citizens, the end is far far")
    assert "*" not in await quoted.inner_text()
