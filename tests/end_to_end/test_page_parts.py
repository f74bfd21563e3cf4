"""Everything that bots put into a channel works on the page: buttons, menus, forms, files, cards, completions."""

from __future__ import annotations

import re
from pathlib import Path

import discord
import pytest

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.testkit import RunningTownhall

OPEN_CHANNEL = "async () => (await import('/static/state.js')).state.channel.id"


async def test_selects_offer_their_options_and_people(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/choices ")
    await tab.last.get_by_role("button", name="Some drinks").click()
    drinks = tab.page.get_by_role("listbox", name="Some drinks")
    await expect(drinks.get_by_role("option", name="Tea")).to_contain_text("A cup of tea")
    await drinks.get_by_role("option", name="Tea").click()
    await drinks.get_by_role("option", name="Milk").click()
    # Two at most: a third is not taken.
    await drinks.get_by_role("option", name="Coffee").click()
    await tab.page.get_by_role("button", name="Choose 2").click()
    await expect(tab.last.locator(".content")).to_contain_text("Chosen: milk, tea")
    await tab.last.get_by_role("button", name="Somebody").click()
    await tab.page.get_by_role("option", name="ben").click()
    await expect(tab.last.locator(".mention")).to_have_text("@ben")


async def test_a_form_opens_checks_and_is_sent(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/choices ")
    await tab.last.get_by_role("button", name="Opinion").click()
    form = tab.page.get_by_role("dialog", name="Your opinion")
    await expect(form.get_by_label("Name")).to_be_focused()
    await form.get_by_label("Name").fill("Al")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_contain_text("At least 3 characters")
    await form.get_by_label("Name").fill("Alice")
    await form.get_by_label("Why").fill("two\nlines")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_be_hidden()
    await expect(tab.last.locator(".content")).to_contain_text("Alice says: two\nlines")


async def test_the_bot_completes_what_is_typed(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.box.click()
    await tab.page.keyboard.type("/colour ")
    await expect(tab.suggestions).to_have_text(["red paint", "green paint", "grey paint"])
    await tab.page.keyboard.type("gr")
    await expect(tab.suggestions).to_have_text(["green paint", "grey paint"])
    await tab.page.keyboard.press("ArrowDown")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("combobox", name="name")).to_have_value("grey paint")
    await tab.page.keyboard.press("Enter")
    await expect(tab.last.locator(".content")).to_have_text("Colour: grey")


async def test_people_and_channels_are_chosen_from_lists(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.box.click()
    await tab.page.keyboard.type("/greet be")
    await tab.page.keyboard.press("Enter")
    await tab.page.keyboard.type("gpt")
    await tab.page.keyboard.press("Enter")
    await tab.page.keyboard.press("Enter")
    await expect(tab.last.locator(".content")).to_have_text("Hello @ben, see you in #gpt2")


async def test_a_file_goes_to_the_bot_and_pictures_show(
    open_tab: OpenTab, townhall: RunningTownhall, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    note = tmp_path / "note.txt"
    note.write_text("read me")
    await tab.box.click()
    await tab.page.keyboard.type("/read ")
    await tab.page.get_by_label("file", exact=True).set_input_files(note)
    await tab.page.keyboard.press("Enter")
    await expect(tab.last.locator(".content")).to_have_text("note.txt: read me")

    await tab.command("/card ")
    picture = tab.last.locator(".picture img")
    await expect(picture).to_have_js_property("naturalWidth", 1)
    card = tab.last.locator(".embed")
    await expect(card.locator("strong")).to_have_text("bold")
    await expect(card).to_contain_text("Right")
    # A picture of another server would come from the network: it is named, not loaded.
    await expect(card.get_by_role("link")).to_have_attribute("href", "https://pictures.example/remote.png")
    assert await card.locator("img").count() == 0


async def test_menus_of_messages_and_people(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say("quiet words")
    await tab.last.click(button="right")
    await tab.page.get_by_role("menuitem", name="Shout").click()
    await expect(tab.last.locator(".content")).to_have_text("QUIET WORDS")
    await tab.page.get_by_role("complementary", name="Members").get_by_role("button", name="ben").click()
    await tab.page.get_by_role("menuitem", name="Wave").click()
    await expect(tab.last.locator(".content")).to_have_text("ada waves at ben")


async def test_the_inspector_shows_what_went_over_the_wire(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/story Wires")
    await tab.last.hover()
    await tab.last.get_by_role("button", name="Inspect").click()
    traffic = tab.page.get_by_role("complementary", name="Traffic")
    rows = traffic.locator("summary")
    await expect(rows.nth(0)).to_contain_text("INTERACTION_CREATE")
    await expect(rows.get_by_text("POST /interactions/{interaction_id}/{interaction_token}/callback")).to_be_visible()
    await expect(rows.get_by_text("MESSAGE_CREATE")).to_be_visible()
    # It follows the message while it grows.
    stage.steps.put_nowait(" more")
    await expect(rows.filter(has_text=re.compile(r"PATCH .*/messages/@original.*200")).first).to_be_visible()
    await rows.nth(0).click()
    await expect(traffic.locator(".json").first).to_contain_text('"value": "Wires"')
    await expect(traffic.locator(".json").first).to_contain_text('"token": "(token)"')
    stage.steps.put_nowait(None)
    await tab.page.keyboard.press("Escape")
    await expect(traffic).to_be_hidden()


async def test_two_tabs_are_two_people_in_one_channel(
    open_tab: OpenTab, townhall: RunningTownhall, stage: StagePlugin, world: TownhallWorld
) -> None:
    from playwright.async_api import expect

    ada, ben = await open_tab("ada"), await open_tab("ben")
    await ada.say("Hello **Ben**")
    await expect(ben.last).to_contain_text("Hello Ben")
    await expect(ben.last.locator("strong")).to_have_text("Ben")
    await expect(ben.last.locator(".name")).to_have_text("ada")

    await ada.command("/story Both see it")
    stage.steps.put_nowait(" grow")
    await expect(ben.last.locator(".content")).to_contain_text("grow")
    stage.steps.put_nowait(None)
    await ben.last.get_by_role("button", name="Count").click()
    await expect(ada.last.locator(".content")).to_contain_text("Pressed 1 times")

    # What is for Ada alone does not reach Ben, in another channel he sees that something is new.
    await ada.command("/whisper ")
    await expect(ada.last).to_contain_text("Only for you.")
    await ben.page.get_by_role("button", name="gpt2").click()
    await ada.say("and this is for all")
    await expect(ben.page.get_by_role("button", name="general , unread")).to_be_visible()
    await ben.page.get_by_role("button", name="general").click()
    await expect(ben.last).to_contain_text("and this is for all")
    assert "Only for you." not in await ben.page.locator("body").inner_text()
    await ada.page.get_by_role("button", name="Dismiss message").click()
    await expect(ada.page.locator("body")).not_to_contain_text("Only for you.")


async def test_a_mention_is_shown_and_pings_only_where_discord_would(
    open_tab: OpenTab, townhall: RunningTownhall, world: TownhallWorld
) -> None:
    from playwright.async_api import expect

    ada, ben = await open_tab("ada"), await open_tab("ben")
    await ada.command(f"/repeat @everyone <@{world.people['ben'].id}> look")
    await expect(ben.last.locator(".mention")).to_have_text(["@everyone", "@ben"])
    await expect(ben.last).not_to_have_class(re.compile("pings-me"))
    await ada.say(f"<@{world.people['ben'].id}> look yourself")
    await expect(ben.last).to_have_class(re.compile("pings-me"))
    await expect(ada.last).not_to_have_class(re.compile("pings-me"))


async def test_messages_are_grouped_and_answered(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say("one")
    await tab.say("two")
    await expect(tab.messages).to_have_count(2)
    await expect(tab.messages.nth(0)).to_have_class(re.compile(r"\bfirst\b"))
    await expect(tab.messages.nth(1)).not_to_have_class(re.compile(r"\bfirst\b"))
    await tab.messages.nth(0).hover()
    await tab.messages.nth(0).get_by_role("button", name="Reply").click()
    await tab.say("three")
    await expect(tab.last.locator(".origin")).to_contain_text("one")
    await tab.say("x" * 2001)
    await expect(tab.page.locator("#composer [role=alert]")).to_have_text(
        "A message has 2,000 characters at most; this one has 2,001."
    )


async def test_direct_messages_with_the_bot(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.page.get_by_role("complementary", name="Members").get_by_role("button", name="Townhall").click()
    await tab.page.get_by_role("menuitem", name="Direct message").click()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Townhall")
    await tab.command("/repeat between us")
    await expect(tab.last.locator(".content")).to_have_text("between us")


async def test_a_lost_connection_is_told_and_comes_back(
    open_tab: OpenTab, townhall: RunningTownhall, page_server: PageServer, discord_server: LoopbackDiscord
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say("before")
    await expect(tab.messages).to_have_count(1)
    port, key = page_server.port, page_server.access.key
    await page_server.__aexit__()
    notice = tab.page.locator("#connection")
    await expect(notice).to_contain_text("The connection to the server was lost")
    await tab.say("lost")
    await expect(tab.page.locator("#composer [role=alert]")).to_contain_text("no connection")
    await expect(tab.box).to_have_value("lost")
    async with PageServer(discord_server, port, key=key):
        await expect(notice).to_be_empty(timeout=15_000)
        await tab.say("after")
        await expect(tab.messages).to_have_count(2)
        await tab.page.close()
    tab.errors.clear()  # the browser complains of each vain attempt to connect


async def test_a_tab_too_many_says_so_and_opens_once_there_is_a_place(
    open_tab: OpenTab, townhall: RunningTownhall, page_server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.async_api import expect

    monkeypatch.setattr(page_server, "_most_tabs", 1)
    ada = await open_tab("ada")
    waiting = Tab(await ada.page.context.new_page(), "ben")
    await waiting.page.goto(f"{page_server.address}&as=ben")
    notice = waiting.page.locator("#connection")
    await expect(notice).to_have_text(
        "There is no place for another tab (1 at a time). Close one: this one then opens by itself."
    )
    await ada.say("still here")
    await expect(ada.messages).to_have_count(1)
    await ada.page.close()
    await expect(notice).to_be_empty(timeout=15_000)
    await expect(waiting.last).to_contain_text("still here")
    assert waiting.errors == []


async def test_a_bot_that_types_or_leaves_is_seen(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    channel = townhall.bot.get_channel(int(await tab.page.evaluate(OPEN_CHANNEL)))
    assert isinstance(channel, discord.TextChannel)
    await channel.typing()
    await expect(tab.page.locator(".typing")).to_have_text("Townhall is typing…")
    await channel.send("typed")
    await expect(tab.page.locator(".typing")).to_be_empty()
    await townhall.stop()
    await expect(tab.page.get_by_role("button", name="Townhall APP , offline")).to_be_visible()
