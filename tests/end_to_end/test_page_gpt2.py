"""The real plugin with townhall-mini, from the page: what a newcomer of the project sees."""

from __future__ import annotations

import re
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


async def test_a_newcomer_gets_a_text_and_its_continuation(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.page.get_by_role("button", name="Try /gpt2 Let").click()
    await tab.page.keyboard.type("My fellow citizens")
    await tab.page.keyboard.press("Enter")
    answer = tab.last.locator(".content")
    await expect(answer.locator("strong").first).to_have_text("My fellow citizens", timeout=60_000)
    await tab.last.get_by_role("button", name="Continue").click(timeout=30_000)
    await expect(tab.messages).to_have_count(2, timeout=30_000)
    await expect(tab.last.locator(".content")).to_have_text(re.compile(r"\w{3}.*\w{3}", re.DOTALL))


async def test_a_member_may_not_choose_the_model_an_admin_may(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    member = await open_tab("ben")
    await member.command("/gpt2-config")
    await expect(member.page.locator("#composer [role=alert]")).to_contain_text("needs Manage Server, which ben lacks")
    admin = await open_tab("admin")
    await admin.command("/gpt2-config ")
    await expect(admin.last.locator(".embed-title")).to_have_text("GPT-2 on this server", timeout=30_000)
    await expect(member.messages).to_have_count(0)


async def test_a_german_reads_german(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.page.locator("#act-as").click()
    await tab.page.get_by_role("menuitemradio", name="Deutsch").click()
    await tab.command("/privacy ")
    await expect(tab.last).to_contain_text("Was über dich gespeichert ist")
    await tab.box.click()
    await tab.page.keyboard.type("/gpt2 ")
    await expect(tab.page.locator(".suggestions-title")).to_contain_text("Der Anfang eines Textes")
    # It is theirs alone.
    other = await open_tab("ben")
    await other.command("/privacy ")
    await expect(other.last).to_contain_text("What is stored about you")


async def test_several_texts_stand_side_by_side_and_one_is_picked(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/gpt2 prompt:My fellow citizens count:20 temperature:0.9 seed:3 variants:3")
    pick = tab.last.get_by_role("button", name="Pick 2")
    await expect(pick).to_be_visible(timeout=60_000)
    fields = tab.last.locator(".embed-field")
    await expect(fields).to_have_count(3)
    boxes = [await field.bounding_box() for field in await fields.all()]
    assert len({box["y"] for box in boxes if box is not None}) == 1
    await pick.click()
    await expect(tab.last.get_by_role("button", name="Continue")).to_be_visible(timeout=30_000)
    await expect(fields).to_have_count(0)
    await expect(tab.last.locator(".content")).to_contain_text("picked by")
