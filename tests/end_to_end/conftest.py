"""The page in a real Chromium. Where Playwright or Chromium is missing, these tests skip and say so.

Starting a browser takes longer than most of these tests, so there is one for all of them. Playwright belongs to the
event loop that started it; therefore they share a loop too, and what the kit's fixtures start is started there.
"""

from __future__ import annotations

import importlib.util
import inspect
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot import testkit
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.plugins import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.async_api import Browser

    from townhall_bot.testkit import CleanSettings, RunningTownhall, StartTownhall

# The first draws no windows, and takes half the time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

on_the_shared_loop = partial(pytest_asyncio.fixture, loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on the browser's loop."""
    for item in items:
        if Path(__file__).parent in item.path.parents and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@on_the_shared_loop(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A real Chromium."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("Playwright is not installed here: pip install -e '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on PATH; Debian's packages are chromium-headless-shell and chromium")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@on_the_shared_loop()
async def discord_server() -> AsyncIterator[LoopbackDiscord]:
    async with testkit.local_discord() as server:
        yield server


@on_the_shared_loop()
async def start_townhall(
    discord_server: LoopbackDiscord, tmp_path: Path, clean_settings: CleanSettings
) -> AsyncIterator[StartTownhall]:
    async with testkit.starting(discord_server, tmp_path, clean_settings) as start:
        yield start


@on_the_shared_loop()
async def townhall(
    start_townhall: StartTownhall, townhall_plugins: Sequence[type[Plugin]], townhall_settings: Mapping[str, str]
) -> RunningTownhall:
    return await testkit.started(start_townhall, townhall_plugins, townhall_settings)


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [StagePlugin]


@pytest.fixture
def stage(townhall: RunningTownhall) -> StagePlugin:
    """The test's own plugin, whose answers the test lets go on step by step."""
    plugin = townhall.bot.plugins["stage"].plugin
    assert isinstance(plugin, StagePlugin)
    return plugin


@on_the_shared_loop()
async def page_server(discord_server: LoopbackDiscord) -> AsyncIterator[PageServer]:
    async with PageServer(discord_server) as server:
        yield server


@on_the_shared_loop()
async def open_tab(chromium: Browser, page_server: PageServer) -> AsyncIterator[OpenTab]:
    """Open a tab as somebody; fails the test at its end where the page reported an error."""
    async with AsyncExitStack() as stack:
        tabs: list[Tab] = []

        async def open_as(
            name: str = "ada", *, width: int = 1280, height: int = 800, scheme: str = "light", locale: str = "en-US"
        ) -> Tab:
            context = await chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]  # one of Playwright's literals
                reduced_motion="reduce",
                locale=locale,
            )
            stack.push_async_callback(context.close)
            tab = Tab(await context.new_page(), name)
            tabs.append(tab)
            await tab.open(page_server.address)
            return tab

        yield open_as
        errors = [error for tab in tabs for error in tab.errors]
    assert errors == []
