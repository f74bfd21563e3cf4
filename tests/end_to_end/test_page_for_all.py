"""The page by keyboard alone, for a screen reader, on a phone, by day and by night."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.testkit import RunningTownhall


async def focus(tab: Tab) -> str:
    name = """() => {
        const on = document.activeElement;
        return on === document.body ? '' : on.getAttribute('aria-label') ?? on.textContent;
    }"""
    return str(await tab.page.evaluate(name)).strip()


async def tab_to(tab: Tab, name: str) -> None:
    """Press the tab key until something of that name has the focus."""
    for _ in range(40):
        await tab.page.keyboard.press("Tab")
        if name in await focus(tab):
            return
    pytest.fail(f"the tab key does not reach {name!r}; it is on {await focus(tab)!r}")


async def test_everything_goes_by_keyboard(open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    keyboard = tab.page.keyboard
    # Another channel and back; a slash begins a command from anywhere.
    await tab_to(tab, "gpt2")
    await keyboard.press("Enter")
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("gpt2")
    await tab_to(tab, "Townhall")
    await keyboard.press("/")
    await keyboard.type("story")
    await keyboard.press("Enter")
    await keyboard.type("Keys")
    for _ in range(3):
        await keyboard.press("ArrowDown")
    await keyboard.press("Enter")  # the third of the other options, loud
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await keyboard.press("Enter")
    stage.steps.put_nowait(" typed")
    stage.steps.put_nowait(None)
    await expect(tab.last.locator(".content")).to_contain_text("Keys (3, happy, ")
    await expect(tab.last.get_by_role("button", name="Count")).to_be_visible()

    # Into the messages, by arrows to one, into it, and press its button.
    await tab.page.locator("#messages").focus()
    await keyboard.press("ArrowUp")
    await expect(tab.last).to_be_focused()
    await tab_to(tab, "Count")
    await keyboard.press("Enter")
    await expect(tab.last.locator(".content")).to_contain_text("Pressed 1 times")
    # The focus stays where it was although the message was drawn anew.
    assert await focus(tab) == "Count"

    # A select menu, a form, the menu of the message, and out of each by Escape.
    await tab_to(tab, "Some drinks")
    await keyboard.press("Enter")
    await keyboard.press("ArrowDown")
    await keyboard.press(" ")
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(tab.last.locator(".content")).to_contain_text("Chosen: coffee")
    await tab_to(tab, "More for this message")
    await keyboard.press("Enter")
    await expect(tab.page.get_by_role("menuitem", name="Reply")).to_be_focused()
    await keyboard.press("Escape")
    assert await focus(tab) == "More for this message"

    # Act as somebody else.
    await tab_to(tab, "You are ada")
    await keyboard.press("Enter")
    await keyboard.press("b")
    await keyboard.press("Enter")
    await expect(tab.page.get_by_role("button", name="You are ben")).to_be_focused()


async def test_a_screen_reader_hears_what_happens_once_it_stands_still(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/story Sounds")
    live = tab.page.get_by_role("log", name="New messages")
    await expect(live).to_contain_text("Townhall is thinking")
    for word in (" one", " two", " three"):
        stage.steps.put_nowait(word)
    stage.steps.put_nowait(None)
    await expect(live).to_contain_text("Townhall: **Sounds** (3, happy, False) one two three")
    # Not word by word.
    assert "one two **" not in await live.inner_text()
    assert (await live.inner_text()).count("**Sounds**") == 1


async def test_on_a_phone_nothing_is_cut_off(open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin) -> None:
    from playwright.async_api import expect

    tab = await open_tab(width=390, height=844)
    await expect(tab.page.locator("#sidebar")).to_be_hidden()
    await tab.page.get_by_role("button", name="Channels").click()
    await tab.page.get_by_role("button", name="gpt2", exact=True).click()
    await expect(tab.page.locator("#sidebar")).to_be_hidden()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("gpt2")
    await tab.command("/story A rather long title for a phone count:4 mood:sad loud:False")
    stage.steps.put_nowait(" " + "word " * 80 + "x" * 150)
    stage.steps.put_nowait(None)
    await expect(tab.last.get_by_role("button", name="Silent")).to_be_visible()
    await tab.command("/card ")
    await expect(tab.last.locator(".embed")).to_be_visible()
    overflow = "() => document.documentElement.scrollWidth - innerWidth"
    assert await tab.page.evaluate(overflow) <= 0
    inside = """() => [...document.querySelectorAll('#main *')]
        .filter((e) => e.getClientRects().length && !e.closest('.unseen, .embed-thumbnail'))
        .filter((e) => getComputedStyle(e).clipPath === 'none')
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className || e.tagName)"""
    assert await tab.page.evaluate(inside) == []
    await tab.page.get_by_role("button", name="Members").click()
    await expect(tab.page.get_by_role("button", name="ben")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("#members")).to_be_hidden()


async def test_the_theme_follows_the_system_until_somebody_chooses(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    from playwright.async_api import expect

    night, day = "rgb(36, 37, 47)", "rgb(255, 255, 255)"
    tab = await open_tab(scheme="dark")
    main = tab.page.locator("#main")
    await expect(main).to_have_css("background-color", night)
    await tab.page.emulate_media(color_scheme="light")
    await expect(main).to_have_css("background-color", day)
    await tab.page.get_by_role("button", name="Theme: system").click()
    await tab.page.get_by_role("button", name="Theme: light").click()
    await expect(main).to_have_css("background-color", night)
    await tab.page.reload()
    await tab.page.get_by_role("button", name="Theme: dark").wait_for()
    await expect(main).to_have_css("background-color", night)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source, from npm. Only CI and those who ask for it (TOWNHALL_TEST_AXE=1) go to the network for it."""
    npm = shutil.which("npm")
    if not (os.environ.get("CI") or os.environ.get("TOWNHALL_TEST_AXE")):
        pytest.skip("axe-core comes from npm: set TOWNHALL_TEST_AXE=1 to let this test fetch it")
    if npm is None:
        pytest.skip("axe-core comes from npm, which is not installed here")
    folder: Path = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, text=True, timeout=90
    )
    if done.returncode:
        pytest.skip(f"npm could not fetch axe-core: {done.stderr.strip()[-200:]}")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-US"), ("dark", "de-DE")])
async def test_axe_finds_nothing_serious(
    scheme: str, locale: str, axe: str, open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await open_tab(scheme=scheme, locale=locale)

    async def check(where: str) -> None:
        # The page's policy lets no foreign script in; the browser's own debugger may still run one.
        found: dict[str, Any] = await tab.page.evaluate(f"async () => {{ {axe}; return await axe.run(); }}")
        serious = [
            f"{where}: {fault['id']}: {json.dumps([node['html'][:160] for node in fault['nodes']])}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == []

    await check("at first")
    await tab.say("Hello ||secret|| `code` [link](https://a.example) <@1>\n> quote\n- list")
    await tab.command("/story Axes")
    await asyncio.wait_for(check("thinking"), 20)
    stage.steps.put_nowait(" word")
    stage.steps.put_nowait(None)
    await expect(tab.last.get_by_role("button", name="Count")).to_be_visible()
    for command in ("/card ", "/saga ", "/whisper "):
        await tab.command(command)
    await expect(tab.last).to_contain_text("Only for you")
    await tab.box.fill("/")
    await check("commands")
    await tab.page.keyboard.type("story ")
    await check("a command")
    await tab.page.keyboard.press("Enter")
    await check("a wrong option")
    await tab.page.keyboard.press("Escape")
    await tab.page.keyboard.press("Escape")
    await tab.command("/choices ")
    await tab.last.get_by_role("button", name="Some drinks").click()
    await check("a select")
    await tab.page.keyboard.press("Escape")
    await tab.last.get_by_role("button", name="Opinion").click()
    await expect(tab.page.get_by_role("dialog")).to_be_visible()
    await check("a form")
    await tab.page.keyboard.press("Escape")
    await tab.box.click()
    await tab.page.keyboard.press("ArrowUp")
    await check("what was sent before")
    await tab.page.keyboard.press("Escape")
    await tab.last.hover()
    await tab.last.locator(".actions button").nth(1).click()
    await tab.page.locator("#inspector summary").first.click()
    await check("the inspector")
