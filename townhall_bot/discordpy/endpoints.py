"""Where discord.py's clients look for Discord."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route


def api_url() -> str:
    """Return the address of the REST API, version included, without a slash at its end."""
    return Route.BASE


@contextmanager
def pointed_at(api: str, gateway: str | None = None) -> Iterator[None]:
    """Let every client of this process find the REST API, and the gateway where given, elsewhere until the block ends.

    The gateway's address counts where a client connects without having asked the REST API for one.
    """
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = api
    if gateway is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before
