"""The page in a real Chromium. Where Playwright or Chromium is missing, these tests skip and say so."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.stage_plugin import StagePlugin
from tests.end_to_end.tabs import OpenTab, Tab
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.plugins import Plugin

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from townhall_bot.testkit import RunningTownhall

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
LISTENING = "DevTools listening on "


@pytest.fixture(scope="session")
def chromium_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a real Chromium takes orders: one for all tests of this process, each of which opens windows of its own."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("Playwright is not installed here: pip install -e '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on PATH; Debian's package is called chromium")
    profile = tmp_path_factory.mktemp("chromium")
    command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # it is a pipe
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith(LISTENING):
                break
        else:
            pytest.fail("chromium did not start:\n" + "".join(said))
        drained = threading.Thread(target=process.stderr.read, daemon=True)  # a full pipe would hold it up
        drained.start()
        yield line.removeprefix(LISTENING).strip()
        process.terminate()
        drained.join(10)


@pytest.fixture
async def chromium(chromium_address: str) -> AsyncIterator[Browser]:
    """A real Chromium."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium_address)
        yield browser
        await browser.close()  # the connection; the program goes on


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [StagePlugin]


@pytest.fixture
def stage(townhall: RunningTownhall) -> StagePlugin:
    """The test's own plugin, whose answers the test lets go on step by step."""
    plugin = townhall.bot.plugins["stage"].plugin
    assert isinstance(plugin, StagePlugin)
    return plugin


@pytest.fixture
async def page_server(discord_server: LoopbackDiscord) -> AsyncIterator[PageServer]:
    async with PageServer(discord_server) as server:
        yield server


@pytest.fixture
async def open_tab(chromium: Browser, page_server: PageServer) -> AsyncIterator[OpenTab]:
    """Open a tab as somebody; fails the test at its end where the page reported an error."""
    async with AsyncExitStack() as stack:
        tabs: list[Tab] = []

        async def open_as(name: str = "ada", *, width: int = 1280, height: int = 800, scheme: str = "light") -> Tab:
            context = await chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]  # one of Playwright's literals
                reduced_motion="reduce",
            )
            stack.push_async_callback(context.close)
            tab = Tab(await context.new_page(), name)
            tabs.append(tab)
            await tab.open(page_server.address)
            return tab

        yield open_as
        errors = [error for tab in tabs for error in tab.errors]
    assert errors == []
