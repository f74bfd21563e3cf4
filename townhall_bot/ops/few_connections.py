"""A listener that a crowd of slow clients cannot fill: few connections at a time, each for a short time.

Every connection takes one of the process's files, of which the gateway and the database need theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

MOST = 32
"""Connections at a time. A new one takes the place of the oldest: a request that is answered takes milliseconds."""
LONGEST_S = 30.0
"""How long one may last, from its beginning to the end of its answer."""
BACKLOG = 64
"""Connections that are taken from the system at once, before any of them is looked at."""


class FewConnections:
    """Makes protocols with ``make`` for what connects, and ends connections that are too many or too old.

    ``longest_s`` None lets them grow as old as they like.
    """

    def __init__(
        self, make: Callable[[], asyncio.Protocol], *, most: int = MOST, longest_s: float | None = LONGEST_S
    ) -> None:
        self._make = make
        self._most = most
        self._longest_s = longest_s
        self._open: dict[asyncio.Transport, asyncio.TimerHandle | None] = {}

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Begin to listen; raise OSError."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Bounded(self._make(), self), host, port, backlog=BACKLOG)

    def began(self, transport: asyncio.Transport) -> None:
        """Count a connection, and end it in time."""
        while len(self._open) >= self._most:
            oldest = next(iter(self._open))
            self.ended(oldest)
            oldest.abort()
        timer = None
        if self._longest_s is not None:
            timer = asyncio.get_running_loop().call_later(self._longest_s, transport.abort)
        self._open[transport] = timer

    def ended(self, transport: asyncio.Transport) -> None:
        """Count a connection no more."""
        if (timer := self._open.pop(transport, None)) is not None:
            timer.cancel()


class _Bounded(asyncio.Protocol):
    """Passes everything on to another protocol, and tells when its connection begins and ends."""

    def __init__(self, inner: asyncio.Protocol, connections: FewConnections) -> None:
        self._connections = connections
        self._inner = inner
        self.data_received = inner.data_received  # type: ignore[method-assign]  # nothing stands between
        self.eof_received = inner.eof_received  # type: ignore[method-assign]  # the same
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]  # the same
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]  # the same

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner.connection_made(transport)
        self._connections.began(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.ended(self._transport)
        self._inner.connection_lost(exc)
