"""Talking to the bot from the page: a mention, a reply, a direct message, a message that is changed and deleted."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from tests.end_to_end.tabs import OpenTab, Tab
from tests.plugins.gpt2.fake_plugin import host_settings, plugin_with
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import Guild, Person
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import RunningTownhall


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [plugin_with(FakeSource())]


@pytest.fixture
def townhall_settings() -> dict[str, str]:
    return {"TOWNHALL_USER_INSTALLS": "true", **host_settings(DEFAULT_COUNT="8")}


async def entry(tab: Tab, number: int, name: str) -> None:
    """Choose from the menu of a message."""
    message = tab.messages.nth(number)
    await message.hover()
    await message.get_by_role("button", name="More").click()
    await tab.page.get_by_role("menuitem", name=name).click()


async def test_the_first_thing_proposed_is_what_the_bot_is_for(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    first = tab.page.locator("#welcome .card").first
    await expect(first.locator("strong")).to_have_text("Try /gpt2")
    await first.click()
    await expect(tab.page.get_by_role("group", name="/gpt2", exact=True)).to_be_visible()
    await expect(tab.page.get_by_label("prompt", exact=True)).to_be_focused()


async def test_a_member_mentions_replies_changes_and_deletes(
    open_tab: OpenTab, townhall: RunningTownhall, guild: Guild, admin: Person
) -> None:
    from playwright.async_api import expect

    await townhall.plugin(GPT2Plugin).rules.kept.change(guild.id, "mentions", True, actor_id=admin.id)
    tab = await open_tab()
    await tab.box.click()
    await tab.page.keyboard.type("@To")
    await expect(tab.suggestions).to_have_count(1)
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.type("Hello")
    await tab.page.keyboard.press("Enter")
    await expect(tab.messages).to_have_count(2)
    await expect(tab.messages.nth(0).locator(".mention")).to_have_text("@Townhall")
    await expect(tab.last.get_by_role("button", name="Continue")).to_be_visible()

    await entry(tab, 1, "Reply")
    await tab.say("But then")
    await expect(tab.messages).to_have_count(4)
    await expect(tab.last.locator("strong").first).to_have_text("But then")

    await entry(tab, 2, "Edit message")
    await expect(tab.box).to_have_value("But then")
    await tab.say("And so")
    await expect(tab.last.locator("strong").first).to_have_text("And so")

    await entry(tab, 2, "Delete message")
    await expect(tab.messages).to_have_count(2)


async def test_a_choice_is_typed_in_ones_own_language(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab(locale="de-DE")
    await tab.command("/gpt2 prompt:Hallo ending:genau count:8")
    await expect(tab.last.locator("strong").first).to_have_text("Hallo")
    await expect(tab.last.locator(".origin-command")).to_have_attribute("title", re.compile("ending:genau"))
    await tab.last.click(button="right", position={"x": 90, "y": 30})
    await expect(tab.page.get_by_role("menuitem", name="Mit GPT-2 fortsetzen")).to_be_visible()


async def test_a_member_writes_to_the_bot_directly(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.page.locator("#members").get_by_role("button", name="Townhall").click()
    await tab.page.get_by_role("menuitem", name="Direct message").click()
    await expect(tab.page.locator("#topbar h1")).to_have_text("Townhall")
    await tab.say("Hello")
    await expect(tab.last.locator("strong").first).to_have_text("Hello")
    await expect(tab.last.get_by_role("button", name="Continue")).to_be_visible()


async def test_a_story_is_written_in_a_thread_of_its_own(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/gpt2-story prompt:Once upon a time count:8")
    thread = tab.page.locator("#channels .below")
    await expect(thread).to_contain_text("Once upon a time")
    await tab.last.locator(".mention").click()
    await expect(tab.page.locator("#topbar h1")).to_have_text("Once upon a time")
    await expect(tab.messages).to_have_count(1)
    await tab.last.get_by_role("button", name="Continue").click()
    await expect(tab.messages).to_have_count(2)
    await expect(tab.messages.nth(0).get_by_role("button", name="Continue")).to_have_count(0)
    await tab.last.get_by_role("button", name="Back one step").click()
    await expect(tab.messages).to_have_count(1)
    await tab.last.get_by_role("button", name="As a file").click()
    await expect(tab.last).to_contain_text("Once upon a time.txt")


async def test_somebody_brings_the_bot_along_into_a_group_message(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    async def choose(member: str, what: str) -> None:
        await tab.page.locator("#members").get_by_role("button", name=member).click()
        await tab.page.get_by_role("menuitem", name=what).click()

    tab, ben = await open_tab(), await open_tab("ben")
    await choose("ben", "Group message")
    await expect(tab.page.locator("#topbar h1")).to_have_text("ada, ben")
    await tab.command("/gpt2 prompt:Hello")
    await expect(tab.page.locator("#composer [role=alert]")).to_contain_text("There is no command /gpt2 here")
    await choose("Townhall", "Add to my account")
    await expect(tab.page.locator("#welcome .card").first).to_be_visible()
    await tab.command("/gpt2 prompt:Hello count:8")
    await expect(tab.last).to_contain_text("Only you can see this")
    await expect(tab.last.locator("strong").first).to_have_text("Hello")
    await ben.page.locator("#channels").get_by_role("button", name="ada, ben").click()
    await expect(ben.messages).to_have_count(0)
