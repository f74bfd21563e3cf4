"""Discord's markdown, as the page shows it."""

from __future__ import annotations

import asyncio

from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.loopback import TownhallWorld
from townhall_bot.testkit import RunningTownhall

LINK = 'target="_blank" rel="noopener noreferrer nofollow"'
CASES = {
    "plain": "<d>plain</d>",
    "**bold** and *italics* or _italics_": "<d><strong>bold</strong> and <em>italics</em> or <em>italics</em></d>",
    "***both***": "<d><em><strong>both</strong></em></d>",
    "__under *and* line__": "<d><u>under <em>and</em> line</u></d>",
    "~~gone~~": "<d><s>gone</s></d>",
    "snake_case_name and 2 * 3 * 4": "<d>snake_case_name and 2 * 3 * 4</d>",
    "**unclosed and *so": "<d>**unclosed and *so</d>",
    "****": "<d>****</d>",
    "\\*not\\* \\_this\\_ \\|\\|": "<d>*not* _this_ ||</d>",
    "a\\b": "<d>a\\b</d>",
    "`code **as is**`": "<d><code>code **as is**</code></d>",
    "``a ` b``": "<d><code>a ` b</code></d>",
    "`open": "<d>`open</d>",
    "two\nlines": "<d>two\nlines</d>",
    "# Big": '<h4 class="heading-1">Big</h4>',
    "### Small **bold**": '<h6 class="heading-3">Small <strong>bold</strong></h6>',
    "#tag": "<d>#tag</d>",
    "#### four": "<d>#### four</d>",
    "-# fine print": '<div class="small-print">fine print</div>',
    "> one\n> two\nout": "<blockquote><d>one\ntwo</d></blockquote><d>out</d>",
    ">>> all\nof it": "<blockquote><d>all\nof it</d></blockquote>",
    ">no": "<d>&gt;no</d>",
    "- a\n- b\n  - c\n- d": "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>",
    "3. three\n4. four": '<ol start="3"><li>three</li><li>four</li></ol>',
    "```py\nx = **1**\n```after": '<pre class="code-block" tabindex="0" data-language="py"><code>x = **1**</code></pre>'
    "<d>after</d>",
    "```\n\n```": "<d>```\n\n```</d>",
    "```open": "<d>```open</d>",
    "see https://a.example/x_y_z, ok": f'<d>see <a href="https://a.example/x_y_z" {LINK}>'
    "https://a.example/x_y_z</a>, ok</d>",
    "<https://a.example>": f'<d><a href="https://a.example/" {LINK}>https://a.example</a></d>',
    "[a](javascript:x) [b](ftp://b)": "<d>[a](javascript:x) [b](ftp://b)</d>",
    "[a](https://a.example)": f'<d><a href="https://a.example/" {LINK} title="https://a.example/">a</a></d>',
    "[bank.com](https://a.example)": "<d>[bank.com](https://a.example)</d>"
    .replace("https://a.example", f'<a href="https://a.example/" {LINK}>https://a.example</a>'),
    "@everyone @here @someone": '<d><span class="mention">@everyone</span> '
    '<span class="mention">@here</span> @someone</d>',
    "<@1> <#2> <@&3>": '<d><span class="mention">@unknown-user</span> <span class="mention">#unknown</span> '
    '<span class="mention">@unknown-role</span></d>',
    "<:smile:123> </gpt2:1>": '<d><span class="custom-emoji">:smile:</span> <span class="mention">/gpt2</span></d>',
    "<b>&amp;</b>": "<d>&lt;b&gt;&amp;amp;&lt;/b&gt;</d>",
}  # fmt: skip
SPITEFUL = (
    "*" * 4000, "_*" * 2000, "||" * 2000, "`" * 4000, "[" * 4000, "<" * 4000, "> " * 2000, "\\" * 4000,
    "**a" * 1300, "- " * 2000, "\n".join(" " * n + "- x" for n in range(80)), "[a](https://" * 330, "~~_**__||" * 400,
    "https://" * 500, "```" * 1333, "a\n> " * 1000, "# " * 2000,
)  # fmt: skip


async def shown(tab: Tab, texts: list[str]) -> list[str]:
    """Return the markup that the page makes of each text, with short names for the commonest part."""
    found: list[str] = await tab.page.evaluate(
        """async (texts) => {
            const { markdown } = await import('/static/message/markdown.js');
            return texts.map((text) => {
                const box = document.createElement('section');
                box.append(markdown(text));
                return box.innerHTML.replaceAll(/<div class="lines">(.*?)<\\/div>/gs, '<d>$1</d>');
            });
        }""",
        texts,
    )
    return found


async def test_markdown_is_shown_as_discord_shows_it(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    tab = await open_tab()
    found = dict(zip(CASES, await shown(tab, list(CASES)), strict=True))
    assert found == CASES


async def test_names_stand_for_people_roles_and_channels(
    open_tab: OpenTab, townhall: RunningTownhall, world: TownhallWorld
) -> None:
    tab = await open_tab()
    guild, ben = world.guild, world.people["ben"]
    text = f"<@{ben.id}> <@!{ben.id}> <#{world.channels['gpt2'].id}> <@&{guild.id}>"
    (found,) = await shown(tab, [text])
    assert [part.split("<")[0] for part in found.split('"mention">')[1:]] == ["@ben", "@ben", "#gpt2", "@everyone"]


async def test_a_spoiler_is_hidden_until_it_is_asked_for(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    from playwright.async_api import expect

    tab = await open_tab()
    await tab.say("It was ||the **butler** https://x.example||")
    spoiler = tab.page.get_by_role("button", name="Spoiler, press to show")
    reach = "(link) => { link.focus(); return document.activeElement === link; }"
    assert not await tab.last.locator("a").evaluate(reach)
    await spoiler.focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.last.locator(".spoiler")).to_have_class("spoiler shown")
    assert await tab.last.locator("a").evaluate(reach)


async def test_no_text_holds_the_page_up(open_tab: OpenTab, townhall: RunningTownhall) -> None:
    tab = await open_tab()
    for text in SPITEFUL:
        async with asyncio.timeout(2):
            (found,) = await shown(tab, [text])
        assert found
