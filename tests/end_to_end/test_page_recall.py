"""The arrow keys bring back what was sent: messages, and commands with their form filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.loopback import TownhallWorld
from townhall_bot.testkit import RunningTownhall

if TYPE_CHECKING:
    from playwright.async_api import Locator


def option(tab: Tab, name: str) -> Locator:
    """The field of one option of the command that is being filled in."""
    return tab.page.get_by_label(name, exact=True)


async def test_messages_come_back_the_newest_first(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    press = tab.page.keyboard.press
    await tab.box.click()
    await press("ArrowUp")
    await expect(tab.box).to_have_value("")  # nothing was sent yet
    for text in ("one", "two", "two", "three\nlines"):
        await tab.say(text)
    await expect(tab.messages).to_have_count(4)
    for shown in ("three\nlines", "two", "one", "one"):
        await press("ArrowUp")
        await expect(tab.box).to_have_value(shown)
    for shown in ("two", "three\nlines", ""):
        await press("ArrowDown")
        await expect(tab.box).to_have_value(shown)
    # What was brought back and changed, or typed, stays.
    await press("ArrowUp")
    await press("ArrowUp")
    await tab.page.keyboard.type(" again")
    await press("ArrowUp")
    await expect(tab.box).to_have_value("two again")
    await press("Enter")
    await expect(tab.last.locator(".content")).to_have_text("two again")


async def test_a_command_comes_back_with_its_options_and_is_sent_once_more(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    press = tab.page.keyboard.press
    await tab.say("before")
    await tab.command('/story title:"Old ways" count:2 mood:sad')
    stage.steps.put_nowait(None)
    await expect(tab.last.locator(".content")).to_contain_text("Old ways (2, sad, False)")
    await press("ArrowUp")
    form = tab.page.get_by_role("group", name="/story")
    await expect(form).to_be_visible()
    await expect(option(tab, "title")).to_have_value("Old ways")
    await expect(option(tab, "count")).to_have_value("2")
    await expect(option(tab, "mood")).to_have_value("sad")
    await expect(tab.page.get_by_role("log")).to_contain_text('/story title:"Old ways" count:2 mood:sad')
    # Nothing lies over it: the arrows go on, to what was sent before, and back.
    await expect(tab.page.locator(".suggestions")).to_be_hidden()
    await press("ArrowUp")
    await expect(tab.box).to_have_value("before")
    await press("ArrowDown")
    await expect(option(tab, "title")).to_have_value("Old ways")
    await press("ArrowDown")
    await expect(tab.box).to_have_value("")
    await expect(tab.box).to_be_focused()

    # It goes out as it is, or changed: a further option by its name, a value by the arrow to the left.
    await press("ArrowUp")
    await press("Enter")
    stage.steps.put_nowait(None)
    await expect(tab.messages).to_have_count(3)
    await expect(tab.last.locator(".content")).to_contain_text("Old ways (2, sad, False)")
    await press("ArrowUp")
    await tab.page.keyboard.type("loud:True")
    await press("Enter")
    stage.steps.put_nowait(None)
    await expect(tab.messages).to_have_count(4)
    await expect(tab.last.locator(".content")).to_contain_text("Old ways (2, sad, True)")
    await press("ArrowUp")
    await press("ArrowLeft")
    await expect(option(tab, "loud")).to_be_focused()
    await press("Escape")
    await press("Escape")
    await expect(tab.box).to_have_value("")


async def test_what_was_chosen_from_a_list_is_chosen_again(
    open_tab: OpenTab, townhall: RunningTownhall, world: TownhallWorld
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.box.click()
    for text in ("/greet be", "gpt"):
        await tab.page.keyboard.type(text)
        await tab.page.keyboard.press("Enter")
    await tab.page.keyboard.press("Enter")
    await expect(tab.messages).to_have_count(1)
    await tab.page.keyboard.press("ArrowUp")
    await expect(option(tab, "who")).to_have_value("ben")
    await tab.page.keyboard.press("Enter")
    await expect(tab.messages).to_have_count(2)
    await expect(tab.last.locator(".content")).to_have_text("Hello @ben, see you in #gpt2")


async def test_a_file_is_asked_for_again(open_tab: OpenTab, townhall: RunningTownhall, tmp_path: Path) -> None:
    from playwright.async_api import expect

    note = tmp_path / "note.txt"
    note.write_text("read me")
    tab = await open_tab()
    await tab.box.click()
    await tab.page.keyboard.type("/read ")
    await option(tab, "file").set_input_files(note)
    await tab.page.keyboard.press("Enter")
    await expect(tab.last.locator(".content")).to_have_text("note.txt: read me")
    await tab.page.keyboard.press("ArrowUp")
    await tab.page.keyboard.press("Enter")
    await expect(option(tab, "file")).to_be_focused()
    await expect(tab.page.locator(".suggestions-title")).to_contain_text("Choose a file.")
    await expect(tab.messages).to_have_count(1)


async def test_a_command_that_cannot_be_used_here_comes_back_as_text(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/repeat two words")
    await expect(tab.messages).to_have_count(1)
    await tab.page.locator("#members").get_by_role("button", name="ben").click()
    await tab.page.get_by_role("menuitem", name="Group message").click()  # where the bot is not
    await expect(tab.page.locator("#topbar h1")).to_have_text("ada, ben")
    await tab.page.keyboard.press("ArrowUp")
    await expect(tab.box).to_have_value('/repeat text:"two words"')
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#composer [role=alert]")).to_contain_text("There is no command /repeat here")
    await tab.page.keyboard.press("ArrowDown")
    await expect(tab.box).to_have_value("")
