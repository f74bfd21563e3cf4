"""What people and models write stays text, whatever it is, in every place of the page."""

from __future__ import annotations

from typing import Any

from tests.end_to_end.stage_plugin import EVIL
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.testkit import RunningTownhall

HOSTILE = (
    EVIL,
    "[click](javascript:window.pwned=1) [data](data:text/html,<script>1</script>) <javascript:alert(1)>",
    "**<b onclick=window.pwned=1>bold</b>** ||<svg/onload=window.pwned=1>|| `<script>` > <iframe src=//evil>",
    "```html\n<script>window.pwned = 1</script>\n```",
    "# <img src=x onerror=window.pwned=1>\n- <style>*{display:none}</style>\n> <base href=//evil>\n-# <object data=x>",
    "\"><script>window.pwned=1</script><!-- ' onmouseover=window.pwned=1 \u202e txet \x00 &lt;b&gt; ${1} {{1}}",
    "<@999999999999999999999> <#0> <@&1> <t:99999999999999:F> <:x:1> </a b:1> https://evil.example/\"onclick='1'",
)
DANGEROUS = "script:not([src]), iframe, object, embed, base, svg [onload], [onerror], [onclick], [onload], style"


async def pwned(tab: Tab) -> Any:
    return await tab.page.evaluate("() => window.pwned")


async def dangerous(tab: Tab) -> int:
    return await tab.page.locator(DANGEROUS).count()


async def test_hostile_messages_are_text(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    for number, text in enumerate(HOSTILE, 1):
        await tab.say(text)
        await expect(tab.messages).to_have_count(number)
        for spoiler in await tab.last.get_by_role("button", name="Spoiler").all():
            await spoiler.click()
        shown = await tab.last.locator(".content").inner_text()
        assert "window.pwned" in shown or "javascript:" in shown or "evil" in shown
    assert await dangerous(tab) == 0
    for link in await tab.page.locator(".content a").all():
        assert (await link.get_attribute("href") or "").startswith(("https://", "http://"))
    assert await pwned(tab) is None


async def test_hostile_answers_are_text_in_every_part_of_a_message(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.command("/evil ")
    await expect(tab.last.locator(".embed-title")).to_have_text(EVIL)
    await expect(tab.last.locator(".embed-field-name")).to_have_text(EVIL)
    await expect(tab.last.locator(".embed-footer")).to_have_text(EVIL)
    await expect(tab.last.get_by_role("button", name="<img", exact=False).first).to_be_visible()
    await expect(tab.last.locator(".file-text").first).to_contain_text("window.pwned")
    assert await dangerous(tab) == 0
    # An uploaded page opens as its text, in a sandbox; a drawing is a download.
    addresses = {}
    for name, kind in (("evil.html", "text/plain"), ("evil.svg", "application/octet-stream")):
        path = await tab.last.get_by_role("link", name=name, exact=True).get_attribute("href")
        addresses[name] = f"http://{tab.page.url.split('/')[2]}{path}"
        answer = await tab.page.request.get(addresses[name])
        assert answer.headers["content-type"].startswith(kind)
        assert "sandbox" in answer.headers["content-security-policy"]
    page = await tab.page.context.new_page()
    await page.goto(addresses["evil.html"])
    assert await page.evaluate("() => window.pwned") is None
    assert await page.locator("body").inner_text() == EVIL
    assert await pwned(tab) is None


async def test_the_policy_stops_markup_even_where_code_would_let_it_in(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    tab = await open_tab()
    refused = await tab.page.evaluate(
        """() => {
            try { document.body.innerHTML = '<img src=x onerror="window.pwned=1">'; return 'let in'; }
            catch (error) { return error.name; }
        }"""
    )
    assert refused == "TypeError"
    script = await tab.page.evaluate(
        """() => new Promise((resolve) => {
            document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
            const image = new Image(); image.src = 'https://evil.example/x.png';
        })"""
    )
    assert script == "img-src"
    assert await pwned(tab) is None
    tab.errors.clear()  # the two attempts above are complained of, as they should be


async def test_a_masked_link_shows_where_it_leads_before_it_is_opened(
    open_tab: OpenTab, townhall: RunningTownhall
) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say("[the news](https://news.example/today) [https://bank.example](https://evil.example)")
    link = tab.last.get_by_role("link", name="the news")
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    await link.click()
    dialog = tab.page.get_by_role("dialog", name="Leave Townhall?")
    await expect(dialog).to_contain_text("https://news.example/today")
    await dialog.get_by_role("button", name="Stay").click()
    # A text that is itself an address cannot hide another one.
    await expect(tab.last.locator(".content")).to_contain_text("[https://bank.example](https://evil.example)")
