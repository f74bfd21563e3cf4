"""The page speaks the language of whoever acts: their browser's until they choose another, and all of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.i18n import Texts
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.web import server
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.testkit import RunningTownhall

CUT = """() => [...document.querySelectorAll('body *')]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.unseen, .skip, #live'))
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1
        || (!e.children.length && getComputedStyle(e).display !== 'inline' && e.scrollWidth > e.clientWidth + 1))
    .map((e) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 60)}`)"""
"""What stands beyond the window's edge, or has more text than there is room for."""


async def menu(tab: Tab, opener: str) -> None:
    """Open a menu from a button, let it be read, and close it."""
    await tab.page.locator(opener).click()
    await tab.page.get_by_role("menu").wait_for()


async def test_a_german_browser_gets_a_german_page(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin, world: TownhallWorld
) -> None:
    from playwright.async_api import expect

    tab = await open_tab(locale="de-DE")
    page = tab.page
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await expect(page.locator("#welcome h2")).to_have_text("Willkommen in #general!")
    await expect(page.locator("#channels h2")).to_have_text("Kanäle")
    await expect(page.get_by_role("complementary", name="Mitglieder")).to_be_visible()
    await expect(tab.box).to_have_attribute("placeholder", "Nachricht an #general, oder / für Befehle")
    for name in ("Datei senden", "Befehl verwenden", "Senden", "Design: wie das System"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    # What the bot hears of is the same language.
    assert world.people["ada"].user.locale == "de"

    await tab.command("/story ")
    await expect(page.locator(".suggestions-title")).to_contain_text(
        "Diese Option ist erforderlich. Gib einen Wert an."
    )
    await expect(page.locator(".title-range")).to_have_text("2 bis 40 Zeichen")
    await page.keyboard.type("Alte Zeiten count:12")
    await page.keyboard.press("Enter")
    await expect(page.locator(".suggestions-title")).to_contain_text("Erwartet wird eine ganze Zahl von 1 bis 9.")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Enter")
    await expect(tab.last).to_contain_text("ada hat /story verwendet")
    await expect(tab.last).to_contain_text("Townhall denkt nach…")
    await expect(tab.last.locator(".message-head time")).to_contain_text("Heute um")
    stage.steps.put_nowait(" .")
    await expect(tab.last).to_contain_text("Alte Zeiten (1, happy, False) .")
    await tab.last.hover()
    await tab.last.get_by_role("button", name="Den Verkehr hinter dieser Nachricht ansehen").click()
    await expect(page.locator(".inspector-about")).to_contain_text("hinter dieser Nachricht von Townhall in #general")
    await expect(page.locator(".exchange-facts").first).to_contain_text("+0,00 s")
    stage.steps.put_nowait(None)


async def test_what_is_not_allowed_is_told_in_german(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab(locale="de-DE")
    alert = tab.page.locator("#composer [role=alert]")
    await tab.command("/rule")
    await expect(alert).to_have_text("/rule braucht „Server verwalten“, das ada fehlt")
    await tab.say("x" * 2001)
    await expect(alert).to_have_text("Eine Nachricht hat höchstens 2.000 Zeichen; diese hat 2.001.")
    await expect(tab.box).to_have_value("x" * 2001)
    stranger = await open_tab("stranger", locale="de-DE")
    await expect(stranger.page.locator(".welcome-wait")).to_have_text("stranger darf hier keine Befehle verwenden.")
    await stranger.command("/story")
    await expect(stranger.page.locator("#composer [role=alert]")).to_have_text(
        "stranger fehlt „Anwendungsbefehle verwenden“ in #general"
    )


async def test_who_chooses_a_language_keeps_it(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab(locale="de-AT")
    await tab.say("quiet words")
    await tab.last.hover()
    await tab.last.get_by_role("button", name="Antworten").click()
    await expect(tab.page.locator(".composer-context")).to_have_text("Antwort an ada")
    await tab.page.locator("#act-as").click()
    await tab.page.get_by_role("menuitemradio", name="English").click()
    # Everything changes on the spot, what stands in the middle of something too.
    await expect(tab.page.locator("html")).to_have_attribute("lang", "en")
    await expect(tab.page.locator("#welcome h2")).to_have_text("Welcome to #general!")
    await expect(tab.page.locator(".composer-context")).to_have_text("Replying to ada")
    await expect(tab.page.get_by_role("button", name="Send a file")).to_have_attribute("title", "Send a file")
    await expect(tab.page.get_by_role("link", name="Skip to the messages")).to_be_attached()
    await expect(tab.last.locator(".message-head time")).to_contain_text("Today at")
    await tab.page.reload()
    await expect(tab.page.locator("#welcome h2")).to_have_text("Welcome to #general!")
    # Others have not chosen.
    other = await open_tab("ben", locale="de-AT")
    await expect(other.page.locator("#welcome h2")).to_have_text("Willkommen in #general!")


async def test_what_is_being_filled_in_goes_on_in_the_other_language(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.box.click()
    await tab.page.keyboard.type("/story Half done count:4")
    await tab.page.locator("#act-as").click()
    await tab.page.get_by_role("menuitemradio", name="Deutsch").click()
    await expect(tab.page.get_by_role("combobox", name="Weitere Optionen von /story")).to_be_visible()
    await expect(tab.page.get_by_label("title", exact=True)).to_have_value("Half done")
    await expect(tab.page.get_by_label("count", exact=True)).to_have_value("4")
    await expect(tab.page.locator("#act-as")).to_be_focused()


@pytest.mark.parametrize("locale", ["de-DE", "en-GB"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
async def test_nothing_is_cut_off_in_either_language(
    locale: str, width: int, height: int, open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    tab = await open_tab(width=width, height=height, locale=locale)
    assert await cut(tab) == []
    await seen(tab, partial(no_cut, tab))


async def cut(tab: Tab) -> list[str]:
    found: list[str] = await tab.page.evaluate(CUT)
    return found


async def no_cut(tab: Tab, where: str) -> None:
    assert await cut(tab) == [], where


async def seen(tab: Tab, look: Callable[[str], Awaitable[None]]) -> None:
    """Go through the page, and look at each place."""
    await people_seen(tab, look)
    await commands_seen(tab, look)
    await messages_seen(tab, look)


async def people_seen(tab: Tab, look: Callable[[str], Awaitable[None]]) -> None:
    page, keyboard = tab.page, tab.page.keyboard
    narrow = (page.viewport_size or {"width": 0})["width"] <= 900
    await look("the beginning")
    if narrow:
        await page.locator("#topbar button").first.click()
    await menu(tab, "#act-as")
    await look("people")
    await keyboard.press("Escape")
    if narrow:
        await keyboard.press("Escape")
        await page.locator("#topbar button").last.click()
    for member in ("Townhall", "ben"):
        await page.locator(".member", has_text=member).click()
        await look(f"menu of {member}")
        await keyboard.press("Escape")
    if narrow:
        await keyboard.press("Escape")


async def commands_seen(tab: Tab, look: Callable[[str], Awaitable[None]]) -> None:
    keyboard = tab.page.keyboard
    await tab.box.click()
    await keyboard.type("/")
    await look("commands")
    await keyboard.type("story ")
    await look("a form")
    await keyboard.press("Enter")
    await look("a fault")
    await keyboard.type("Title count:99")
    await keyboard.press("Enter")
    await look("a number that is too large")
    for key in ("Escape", "Escape"):
        await keyboard.press(key)
    await tab.box.fill("/dance")
    await keyboard.press("Enter")
    await look("an unknown command")
    await tab.box.fill("")


async def messages_seen(tab: Tab, look: Callable[[str], Awaitable[None]]) -> None:
    from playwright.async_api import expect

    page, keyboard = tab.page, tab.page.keyboard
    await tab.command("/choices ")
    await expect(tab.last.locator(".button").first).to_be_visible()
    await tab.last.locator(".select").first.click()
    await look("a menu of several")
    await keyboard.press("Escape")
    await tab.last.locator(".button", has_text="Opinion").click()
    await page.locator("dialog .primary").click()
    await look("a form of the bot")
    await keyboard.press("Escape")
    await tab.command("/whisper ")
    await expect(tab.last.locator(".privacy")).to_be_visible()
    await tab.command("/card ")
    await expect(tab.last.locator(".embed")).to_be_visible()
    await tab.command("/repeat || hidden || <#1> <@1> <@&1> [words](https://example.org/) and more")
    await expect(tab.last.locator(".spoiler")).to_be_visible()
    await look("what the bot says")
    await tab.last.locator("a", has_text="words").click()
    await look("leaving")
    await page.locator("dialog .quiet").click()
    await tab.say("mine")
    await expect(tab.last).to_contain_text("mine")
    await tab.last.click(button="right", position={"x": 90, "y": 12})
    await look("menu of a message")
    await page.get_by_role("menuitem").nth(1).click()
    await look("changing a message")
    await keyboard.press("Escape")
    await tab.last.hover()
    await tab.last.locator(".actions button").first.click()
    await look("a reply")
    await keyboard.press("Escape")
    await tab.last.hover()
    await tab.last.locator(".actions button").nth(1).click()
    await expect(page.locator("#inspector summary").first).to_be_visible()
    await look("traffic")


DATA = """async () => {
    const { state } = await import('/static/state.js');
    const found = [];
    const walk = (value) => {
        if (typeof value === 'string') found.push(value);
        else if (value instanceof Map) for (const each of value.values()) walk(each);
        else if (value && typeof value === 'object') for (const each of Object.values(value)) walk(each);
    };
    walk([state.you, state.server]);
    return found;
}"""
SHOWN = """() => {
    const left = 'script, noscript, .json, .exchange-title, .way, .exchange-facts';
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest(left)) texts.push(walker.currentNode.data);
    const attributes = ['aria-label', 'title', 'placeholder', 'alt'].flatMap((name) =>
        [...document.querySelectorAll(`[${name}]`)].map((each) => each.getAttribute(name)));
    return [texts.join(' '), ...attributes];
}"""
WORD = r"[^\W\d_]{2,}"
NOT_WORDS = {"APP", "AM", "PM", "True", "False", "KB", "MB", "Your", "opinion", "Name", "Why", "dance", "Title"}
"""What is the same in every language, or was typed or brought by the bot and stands nowhere in the page's state."""


async def test_everything_the_page_says_comes_from_its_texts(
    open_tab: OpenTab, townhall: RunningTownhall, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = server.TEXTS.of("en").as_written()
    monkeypatch.setattr(server, "TEXTS", Texts({"en": {name: f"⟦{text}⟧" for name, text in english.items()}}))
    tab = await open_tab()

    async def look(where: str) -> None:
        data = {word for text in await tab.page.evaluate(DATA) for word in re.findall(WORD, text)}
        for text in await tab.page.evaluate(SHOWN):
            own = text
            while (inner := re.sub("⟦[^⟦⟧]*⟧", "", own)) != own:
                own = inner
            words = {word for word in re.findall(WORD, own) if word not in NOT_WORDS | data}
            assert not words, f"{where}: {sorted(words)} in {own.strip()[:200]!r}"

    await seen(tab, look)


async def test_a_lost_connection_is_told_in_the_same_language(
    open_tab: OpenTab, townhall: RunningTownhall, page_server: PageServer, discord_server: LoopbackDiscord
) -> None:
    from playwright.async_api import expect

    tab = await open_tab(locale="de-DE")
    await page_server.__aexit__()
    await expect(tab.page.locator("#connection")).to_have_text(
        "Die Verbindung zum Server ist abgerissen. Neuer Versuch…"
    )
    await tab.say("verloren")
    await expect(tab.page.locator("#composer [role=alert]")).to_have_text("Gerade besteht keine Verbindung zum Server.")
    await tab.page.close()
    tab.errors.clear()  # the browser complains of each vain attempt to connect
