"""Windows' contrast themes take every colour, background and shadow of the page away: edges and marks stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.testkit import RunningTownhall

if TYPE_CHECKING:
    from playwright.async_api import Locator

EDGE = """(e) => {
    const style = getComputedStyle(e);
    return ['Top', 'Right', 'Bottom', 'Left'].every((side) => parseFloat(style[`border${side}Width`]) >= 1
        && style[`border${side}Style`] !== 'none' && style[`border${side}Color`] !== style.backgroundColor);
}"""
OUTLINE = """(e) => {
    const style = getComputedStyle(e);
    return style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth);
}"""
SHOWS_FOCUS = f"""() => {{
    let on = document.activeElement;
    if (on === document.body) return '';
    const name = on.getAttribute('aria-label') ?? on.textContent;
    for (let at = on; at && at.id !== 'main'; at = at.parentElement) if (({OUTLINE})(at) >= 2) return '';
    return name || on.tagName;
}}"""
"""The name of what has the focus without showing it, "" where it shows it."""


async def in_forced_colours(open_tab: OpenTab, name: str = "ada") -> Tab:
    tab = await open_tab(name)
    await tab.page.emulate_media(forced_colors="active")
    return tab


async def has_edge(what: Locator) -> bool:
    return bool(await what.evaluate(EDGE))


async def outline(what: Locator) -> float:
    """The width of the line around something, in pixels."""
    return float(await what.evaluate(OUTLINE))


async def test_what_stands_apart_has_an_edge(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await in_forced_colours(open_tab)
    page, keyboard = tab.page, tab.page.keyboard
    await tab.command("/card ")
    await expect(tab.last.locator(".embed")).to_be_visible()
    assert await has_edge(tab.last.locator(".embed"))
    await tab.command("/choices ")
    await expect(tab.last.locator(".button").first).to_be_visible()
    for part in (".button", ".select", ".tag", ".actions"):
        assert await has_edge(tab.last.locator(part).first), part
    for part in (".card", ".composer-box", "#me", ".you"):
        assert await has_edge(page.locator(part).first), part
    await page.locator("#act-as").click()
    assert await has_edge(page.locator(".menu"))
    await keyboard.press("Escape")
    await tab.last.locator(".select").first.click()
    assert await has_edge(page.locator(".picker"))
    await keyboard.press("Escape")
    await tab.last.get_by_role("button", name="Opinion").click()
    assert await has_edge(page.get_by_role("dialog"))
    assert await has_edge(page.get_by_label("Name"))
    await keyboard.press("Escape")
    await tab.box.click()
    await keyboard.type("/story Title count:3")
    assert await has_edge(page.locator(".suggestions"))
    for chip in await page.locator(".chip").all():
        assert await has_edge(chip)
    await keyboard.press("Escape")
    await keyboard.press("Escape")
    await tab.last.hover()
    await tab.last.get_by_role("button", name="Inspect").click()
    await expect(page.locator(".exchange").first).to_be_visible()
    assert await has_edge(page.locator(".exchange").first)


async def test_one_sees_where_the_keyboard_is(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await in_forced_colours(open_tab)
    page, keyboard = tab.page, tab.page.keyboard
    await tab.command("/choices ")
    await expect(tab.last.locator(".button").first).to_be_visible()
    for _ in range(40):
        await keyboard.press("Tab")
        assert await page.evaluate(SHOWS_FOCUS) == ""
    # What Enter would take, in the list above the box and in a menu.
    await tab.box.click()
    await keyboard.type("/")
    taken, *others = await tab.suggestions.all()
    assert await outline(taken) == 2
    assert [await outline(other) for other in others] == [0] * len(others)
    await keyboard.press("Escape")
    await page.locator("#act-as").click()
    await keyboard.press("ArrowDown")
    for item in await page.get_by_role("menuitemradio").all():
        assert (await outline(item) >= 2) == await item.evaluate("(e) => e === document.activeElement")


async def test_one_sees_what_is_wrong_chosen_and_there(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await in_forced_colours(open_tab)
    page, keyboard = tab.page, tab.page.keyboard
    await tab.box.click()
    await keyboard.type("/story Title count:12")
    await keyboard.press("Enter")
    await expect(page.locator(".chip.wrong")).to_have_css("border-style", "dashed")
    mark = "(e) => getComputedStyle(e, '::after').backgroundColor"
    await page.locator("#act-as").click()
    chosen = page.get_by_role("menuitemradio", name="English")
    assert await chosen.evaluate(mark) == "rgb(0, 0, 0)"
    other = page.get_by_role("menuitemradio", name="Deutsch")
    assert await other.evaluate("(e) => getComputedStyle(e, '::after').content") == "none"
    await keyboard.press("Escape")
    bot = page.locator(".member", has_text="Townhall").locator(".presence")
    online = await bot.evaluate("(e) => getComputedStyle(e).backgroundColor")
    await townhall.stop()
    await expect(page.locator(".member.offline")).to_have_count(1)
    await expect(bot).not_to_have_css("background-color", online)
