"""A voice for a channel, set from the page: an admin makes a preset in the panel and gives it to a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from tests.end_to_end.tabs import OpenTab
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import RunningTownhall


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [GPT2Plugin]


@pytest.fixture
def townhall_settings() -> Mapping[str, str]:
    return {"TOWNHALL_GPT2_ROWS": "2", "TOWNHALL_GPT2_TEMPERATURE": "0"}


async def test_an_admin_makes_a_preset_and_gives_it_to_a_channel(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab("admin")
    await tab.command("/gpt2-config ")
    await tab.last.get_by_role("button", name="Presets…").click(timeout=60_000)
    form = tab.page.get_by_role("dialog")
    await form.get_by_label("Name").fill("Pirate")
    await form.get_by_label("Opening").fill("A song of pirates.")
    await form.get_by_label("Sampling").fill("temperature 0, top_p 0.9")
    await form.get_by_role("button", name="Submit").click()
    await expect(tab.last).to_contain_text("Preset pirate: none →", timeout=30_000)
    await tab.last.get_by_role("button", name="Presets…").click()
    await expect(tab.last).to_contain_text("Which preset?", timeout=30_000)
    await tab.last.get_by_role("button", name="Change one of yours").click()
    await tab.page.get_by_role("option", name="pirate").click()
    await expect(form.get_by_label("Opening")).to_have_value("A song of pirates.")
    await expect(form.get_by_label("Sampling")).to_have_value("temperature 0; top_p 0.9")
    await form.get_by_label("Opening").fill("A song of pirates, sung at sea.")
    await form.get_by_role("button", name="Submit").click()
    await expect(tab.last).to_contain_text("sung at sea", timeout=30_000)
    await tab.command("/gpt2-config channel:#general preset:pirate ")
    await expect(tab.last).to_contain_text("as on the server → Preset pirate", timeout=30_000)
    await tab.command("/gpt2 prompt:My fellow citizens count:10 timing:True")
    await expect(tab.last.locator(".content")).to_contain_text("preset pirate", timeout=60_000)
    await expect(tab.last.locator(".content")).not_to_contain_text("A song of pirates")
    await tab.command("/gpt2-config ")
    await expect(tab.last).to_contain_text("In some channels", timeout=30_000)
