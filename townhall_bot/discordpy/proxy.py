"""Leading a client's requests through a proxy, and its gateway through another where that is so."""

from __future__ import annotations

import copy
from collections.abc import Callable

import aiohttp
import discord

from townhall_bot.discordpy import endpoints


def use(
    client: discord.Client, proxy_for: Callable[[str], str | None], failed: Callable[[aiohttp.ClientError, str], object]
) -> None:
    """Have a client ask through what ``proxy_for`` says of an address: a proxy's own, or None for none.

    ``failed`` hears why the gateway at an address could not be reached: discord.py tries again for ever. Raises what
    ``proxy_for`` raises.
    """
    http = client.http
    http.proxy = proxy_for(endpoints.api_url())

    async def ws_connect(url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        to_gateway = copy.copy(http)  # discord.py has one proxy for both, and NO_PROXY may name one of them
        to_gateway.proxy = proxy_for(url)
        try:
            return await type(http).ws_connect(to_gateway, url, compress=compress)
        except aiohttp.ClientError as error:
            failed(error, url)
            raise

    http.ws_connect = ws_connect  # type: ignore[method-assign] # discord.py makes its own HTTPClient and takes no other
