"""Points discord.py at a local Discord."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

if TYPE_CHECKING:
    from townhall_bot.loopback.wire.server import LoopbackDiscord


@contextmanager
def point_discord_at(server: LoopbackDiscord) -> Iterator[None]:
    """Let every discord.py client of this process talk to ``server``, until the block ends."""
    api, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = server.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
    try:
        yield
    finally:
        Route.BASE = api
        DiscordWebSocket.DEFAULT_GATEWAY = gateway
