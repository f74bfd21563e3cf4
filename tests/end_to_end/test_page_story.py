"""A newcomer opens the page and gets along, without reading anything."""

from __future__ import annotations

import pytest

from tests.end_to_end.stage_plugin import LONG, StagePlugin
from tests.end_to_end.tabs import OpenTab
from townhall_bot.testkit import RunningTownhall


async def test_a_newcomer_fills_in_a_command_sees_the_text_grow_and_presses_a_button(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    keyboard = tab.page.keyboard
    await tab.box.click()
    await keyboard.type("/sto")
    await expect(tab.suggestions).to_have_count(1)
    await expect(tab.suggestions).to_contain_text("Tell a story that grows")
    await keyboard.press("Enter")
    await keyboard.type("The sea")
    await tab.suggestions.filter(has_text="How many lines").click()
    await keyboard.type("12")
    await keyboard.press("Enter")

    # What is out of range is not sent; the option says what it takes.
    field = tab.page.get_by_role("combobox", name="count")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(tab.page.locator(".suggestions-title")).to_contain_text("from 1 to 9")
    assert await tab.messages.count() == 0
    await field.fill("5")
    await tab.page.get_by_role("combobox", name="More options").focus()
    await tab.suggestions.filter(has_text="mood").click()
    await tab.suggestions.filter(has_text="sad").click()
    await keyboard.press("Enter")

    await expect(tab.last).to_contain_text("Townhall is thinking…")
    await expect(tab.last.locator(".origin")).to_have_text("A" + "ada used /story")
    stage.steps.put_nowait(" Once upon a time")
    await expect(tab.last.locator(".content")).to_contain_text("The sea (5, sad, False) Once upon a time")
    await expect(tab.last.locator(".content strong")).to_have_text("The sea")
    stage.steps.put_nowait(" there was a fish.")
    await expect(tab.last.locator(".content")).to_contain_text("Once upon a time there was a fish.")
    stage.steps.put_nowait(None)
    await tab.last.get_by_role("button", name="Count").click()
    await expect(tab.last.locator(".content")).to_contain_text("Pressed 1 times")


async def test_a_long_answer_arrives_as_a_file_that_opens(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/saga ")
    file = tab.last.locator(".text-file")
    await expect(file.get_by_role("link", name="text.txt", exact=True)).to_be_visible()
    await expect(file.locator("pre")).to_contain_text("Chapter 1.")
    await expect(file.locator("pre")).not_to_contain_text("Chapter 11.")
    await file.get_by_role("button", name="Open the whole text").click()
    await expect(file.locator("pre")).to_have_text(LONG)


async def test_a_member_is_refused_what_an_admin_may(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab("ada")
    await tab.box.click()
    await tab.page.keyboard.type("/rule")
    await expect(tab.suggestions).to_have_attribute("aria-disabled", "true")
    await expect(tab.suggestions).to_contain_text("needs Manage Server, which ada lacks")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#composer [role=alert]")).to_contain_text("needs Manage Server")
    assert await tab.messages.count() == 0

    await tab.page.locator("#act-as").click()
    await tab.page.get_by_role("menuitemradio", name="admin").click()
    await tab.page.get_by_role("button", name="You are admin").wait_for()
    await tab.command("/rule ")
    await expect(tab.last).to_contain_text("You rule.")
    await expect(tab.last).to_contain_text("Only you can see this")


async def test_a_stranger_may_use_nothing(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab("stranger")
    await expect(tab.page.locator("#welcome")).to_contain_text("stranger may not use commands here")
    await tab.command("/story")
    await expect(tab.page.locator("#composer [role=alert]")).to_contain_text("stranger lacks Use Application Commands")


async def test_a_command_is_typed_or_pasted_whole_too(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    stage.steps.put_nowait(" .")
    await tab.command('/story title:"Old ways" count:2 loud:True')
    await expect(tab.last.locator(".content")).to_contain_text("Old ways (2, happy, True) .")
    stage.steps.put_nowait(None)
    await tab.box.fill("/story title:Pasted: so count:4 mood:sad")
    await tab.page.keyboard.press("Enter")
    stage.steps.put_nowait(" .")
    await expect(tab.last.locator(".content")).to_contain_text("Pasted: so (4, sad, False) .")


async def test_an_unknown_command_and_a_silent_bot_are_told(
    open_tab: OpenTab, townhall: RunningTownhall, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/dance")
    await expect(tab.page.locator("#composer [role=alert]")).to_contain_text("There is no command /dance here")
    await tab.box.fill("")
    await tab.command("/choices ")
    silent = tab.last.get_by_role("button", name="Silent")
    await expect(silent).to_be_visible()
    monkeypatch.setattr("townhall_bot.loopback.world.world.FIRST_ANSWER_SECONDS", 0.02)  # what is waited for is told
    await silent.click()
    await expect(tab.last.locator(".trouble")).to_have_text("This interaction failed")
