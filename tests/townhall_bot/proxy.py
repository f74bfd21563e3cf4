"""A proxy on this machine, for a Discord that only it can reach; and TLS without a certificate, which both speak."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from townhall_bot.loopback import LoopbackDiscord


def without_certificate(side: int) -> ssl.SSLContext:
    """Return a context for TLS that proves nothing: no key has to lie in the tree."""
    context = ssl.SSLContext(side)
    if side == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


class Proxy:
    """Connects whoever asks to the local Discord, whatever host they name, and plays its TLS; ``asked`` has the hosts.

    ``status`` is what it answers instead, and ``user`` (``name:password``) what it wants to be told.
    """

    def __init__(self, server: LoopbackDiscord | None = None, *, status: int = 200, user: str = "") -> None:
        self.asked: list[str] = []
        self.address = ""
        self._server = server
        self._status = status
        self._user = base64.b64encode(user.encode()).decode()
        self._open: set[asyncio.Task[None] | None] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Proxy]:
        """Serve until the block ends."""
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with listener:
            yield self
            for task in filter(None, self._open):
                task.cancel()
            await asyncio.gather(*filter(None, self._open), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(maxsplit=2)
            self.asked.append(target)
            status = self._status
            if self._user and f"Proxy-Authorization: Basic {self._user}" not in head:
                status = 407
            writer.write(f"HTTP/1.1 {status} As told\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            if status == 200 and method == "CONNECT" and self._server is not None:
                await writer.start_tls(without_certificate(ssl.PROTOCOL_TLS_SERVER))
                from_discord, to_discord = await asyncio.open_connection("127.0.0.1", self._server.port)
                await asyncio.gather(_copy(reader, to_discord), _copy(from_discord, writer))
        writer.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        target.write(chunk)
        await target.drain()
    target.close()
