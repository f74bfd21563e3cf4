"""How many tabs and connections the page takes: one tab more is told so, and idle connections keep nobody out."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import aiohttp

from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.web.server import MOST_CONNECTIONS, MOST_TABS, PageServer


async def tab(page: PageServer, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """Open a tab, whatever it is told."""
    base = f"http://127.0.0.1:{page.port}"
    headers = {"Origin": base, "Cookie": f"{page.access.cookie}={page.access.key}"}
    return await session.ws_connect(f"{base}/tab", headers=headers)


async def first(socket: aiohttp.ClientWebSocketResponse) -> dict[str, object]:
    """The first thing that a tab is told."""
    frame: dict[str, object] = json.loads(await socket.receive_str(timeout=10))
    return frame


async def test_a_tab_too_many_is_told_so_and_a_place_that_becomes_free_is_given(
    server: LoopbackDiscord, world: TownhallWorld
) -> None:
    async with AsyncExitStack() as stack:
        page = await stack.enter_async_context(PageServer(server, most_tabs=2))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        open_ones = [await tab(page, session) for _ in range(2)]
        assert [(await first(each))["type"] for each in open_ones] == ["server", "server"]
        refused = await tab(page, session)
        assert await first(refused) == {"type": "full", "most": 2}
        assert (await refused.receive()).type is aiohttp.WSMsgType.CLOSE
        assert refused.close_code == 1013
        # Those who are there stay.
        assert not any(each.closed for each in open_ones)
        await open_ones[0].close()
        while (told := await first(await tab(page, session)))["type"] == "full":
            pass  # the server learns of the close in its own time
        assert told["type"] == "server"


async def test_idle_connections_keep_nobody_from_the_page(server: LoopbackDiscord, world: TownhallWorld) -> None:
    async with PageServer(server, most_connections=4) as page:
        idle = [await asyncio.open_connection("127.0.0.1", page.port) for _ in range(12)]
        async with aiohttp.ClientSession() as session:
            async with session.get(page.address) as answer:
                assert answer.status == 200
            assert (await first(await tab(page, session)))["type"] == "server"
        # The oldest had to go for them.
        assert await idle[0][0].read() == b""
        for _, writer in idle:
            writer.close()


def test_a_full_house_of_tabs_leaves_connections_for_those_who_are_refused() -> None:
    assert MOST_TABS < MOST_CONNECTIONS
