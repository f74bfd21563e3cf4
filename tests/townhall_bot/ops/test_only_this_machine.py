"""What listens, listens on 127.0.0.1 alone unless somebody says otherwise."""

from __future__ import annotations

import socket
import sys
from urllib.parse import urlsplit

import pytest

from townhall_bot.cli.local_page import PageOptions
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.web.server import PageServer
from townhall_bot.ops.health import HealthPage
from townhall_bot.settings import Settings
from townhall_bot.testkit import StartTownhall

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives every machine 127.0.0.2")


def refuses_others(port: int | None) -> bool:
    """Tell whether a port that answers at 127.0.0.1 answers at no other address."""
    assert port
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    try:
        socket.create_connection(("127.0.0.2", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_the_local_discord_and_its_page(discord_server: LoopbackDiscord) -> None:
    assert refuses_others(urlsplit(discord_server.world.base_url).port)
    async with PageServer(discord_server) as page:
        assert refuses_others(page.port)
    async with PageServer(discord_server, host=PageOptions().host) as page:
        assert refuses_others(page.port)


async def test_the_health_page(start_townhall: StartTownhall) -> None:
    running = await start_townhall()
    page = HealthPage(running.bot, Settings().health_host, 0)
    await page.start()
    try:
        assert refuses_others(urlsplit(page.url).port)
    finally:
        await page.stop()
