"""Makes the pictures of the page in ``docs/images``: the real bot's own answers with townhall-mini, by day and night.

Needs Playwright and Chromium: ``pip install -e '.[browser]'``, Debian's package ``chromium``, and a font with emoji
(``fonts-noto-color-emoji``). Run it from the checkout: ``python tools/screenshots.py``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from plugins.gpt2.chat.recent_ends import MOMENT_S
from townhall_bot.cli.local import connected
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld, Turn, point_discord_at
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.plugins.discovery import prepare
from townhall_bot.plugins.outcomes import Outcomes

IMAGES = Path(__file__).parent.parent / "docs" / "images"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
SCHEMES = ("light", "dark")
DESKTOP, PHONE = (1240, 760), (390, 780)
QUIET_MS = 350
"""A pause in which transitions end."""

Scene = Callable[[Page], Awaitable[None]]


async def typing(page: Page) -> None:
    """Show a command that is being filled in."""
    await page.locator("#message-box").click()
    await page.keyboard.type("/gpt2 The people of this town")
    await page.keyboard.type(" count:60")


async def inspector(page: Page) -> None:
    """Show the traffic behind an answer."""
    answer = page.locator(".message", has=page.locator(".components")).last
    await answer.hover()
    await answer.get_by_role("button", name="Inspect").click()
    await page.locator("#inspector summary").nth(0).click()


async def conversation(page: Page) -> None:
    """Show what was said."""


async def story(page: Page) -> None:
    """Show the story's thread."""
    await page.locator("#channels .below").first.click()


async def act(world: TownhallWorld, outcomes: Outcomes) -> Turn:
    """Let people talk with the bot; the seeds make the same texts every time."""
    admin, ada, ben = (world.people[name] for name in ("admin", "ada", "ben"))
    await admin.say("Welcome to the town hall! Type `/gpt2` with the beginning of a text, the bot writes on.")
    first = await ada.type('/gpt2 prompt:"My fellow citizens" count:60 temperature:0.7 seed:3')
    await outcomes.of(first)
    await ben.say("It runs **on this laptop**, without any account. How fast is that?")
    second = await ben.type('/gpt2 prompt:"The old house by the river" count:50 temperature:0.7 seed:5 timing:True')
    await outcomes.of(second)
    begun = await admin.type('/gpt2-story prompt:"The last lamplighter of our town" count:45')
    await outcomes.of(begun)
    thread = next(each for each in admin.guild.channels if each.id == begun.message.id)
    await asyncio.sleep(MOMENT_S + 0.1)  # a press that comes sooner may have been meant for Stop
    await outcomes.of(await ben.press(thread.messages[-1], "Continue"))
    await outcomes.of(await ada.type('/gpt2-story add:"One evening a letter lay on his ladder." count:45', thread))
    await asyncio.sleep(MOMENT_S + 0.1)
    await outcomes.of(await admin.press(thread.messages[-1], "Continue"))
    return second


async def shoot(browser: Browser, address: str, name: str, scene: Scene, size: tuple[int, int] = DESKTOP) -> None:
    """Take one scene's picture in each scheme."""
    for scheme in SCHEMES:
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=2 if size == PHONE else 1.5,
            color_scheme=scheme,  # type: ignore[arg-type]  # one of Playwright's literals
            reduced_motion="reduce",
            locale="en-US",
        )
        page = await context.new_page()
        await page.goto(f"{address}&as=ada")
        await page.locator("#welcome .card").first.wait_for(state="attached")
        await scene(page)
        await page.wait_for_timeout(QUIET_MS)
        await page.screenshot(path=IMAGES / f"{name}-{scheme}.png")
        await context.close()


async def main() -> None:
    """Start everything, act, and take the pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("screenshots: there is no chromium on PATH; Debian's package is called chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOWNHALL_DATA_DIR"] = folder
        os.environ |= {
            "TOWNHALL_GPT2_TEMPERATURE": "0",
            "TOWNHALL_GPT2_REPETITION_PENALTY": "1.3",
        }  # of the story: the same each time
        settings, plugins = prepare(None)
        async with LoopbackDiscord() as discord, PageServer(discord) as server, async_playwright() as playwright:
            with point_discord_at(discord):
                world = discord.townhall()
                browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                async with connected(settings, plugins, discord.token) as bot:
                    await act(world, Outcomes(bot))
                    await shoot(browser, server.address, "page", story)
                    await shoot(browser, server.address, "command", typing)
                    await shoot(browser, server.address, "inspector", inspector)
                    await shoot(browser, server.address, "phone", conversation, PHONE)
                await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
