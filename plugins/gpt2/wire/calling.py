"""Calling: requests to a router or an engine, and their lines as they come. Silence is a loss."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from plugins.gpt2.protocol import GenerationError
from plugins.gpt2.wire.events import Told, event_in
from plugins.gpt2.wire.lines import SILENCE_S, Object, WireError, path, read

CONNECT_S = 1.0
"""The longest that a connection may take."""
LONGEST_LINE = 2**20
"""Bytes; an error with all that was written before it is the longest."""


class Lost(Exception):
    """Who was called is gone, or does not speak: says how it was noticed."""


class Caller:
    """Calls who is at ``url``. ``session`` is shared; :meth:`close` only belongs to who made it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, silence_s: float = SILENCE_S) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silence_s)

    async def told(self, rest: str, said: Object) -> AsyncGenerator[Told]:
        """Post, and yield what is told until it ends. Raises the error that is told, and :class:`Lost`."""
        self._check_open()
        try:
            async with self._session.post(self.url + path(rest), json=said, timeout=self._timeout) as response:
                await _checked(response)
                async for raw in response.content:
                    event = event_in(read(raw))
                    if isinstance(event, GenerationError):
                        raise event
                    if event is not None:
                        yield event
        except (aiohttp.ClientError, TimeoutError, OSError, WireError) as error:
            raise Lost(_how(error)) from error

    async def ask(self, method: str, rest: str, said: Object | None = None) -> dict[str, Any]:
        """Call, and return the answer. Raises :class:`Lost`."""
        self._check_open()
        timeout = aiohttp.ClientTimeout(total=CONNECT_S + SILENCE_S, sock_connect=CONNECT_S)
        try:
            async with self._session.request(method, self.url + path(rest), json=said, timeout=timeout) as response:
                await _checked(response)
                return read(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, WireError) as error:
            raise Lost(_how(error)) from error

    def _check_open(self) -> None:
        if self._session.closed:
            raise Lost("nobody calls any more: this part is about to end")


def session(secret: str | None) -> aiohttp.ClientSession:
    """Return what calls are made with; of any number of them at once."""
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=connector, headers=headers, read_bufsize=LONGEST_LINE)


async def _checked(response: aiohttp.ClientResponse) -> None:
    """Raise WireError, in the words of who answered, where it is no answer."""
    if response.status == 200:
        return
    try:
        reason = str((await response.json())["error"])
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        reason = f"HTTP {response.status}. Is this the address of Townhall's router or engine?"
    raise WireError(reason)


def _how(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(error) or type(error).__name__
