"""Slow clients of the health page: they take few of the process's files, and none for long."""

import asyncio

import aiohttp
from aiohttp import web

from townhall_bot.ops.few_connections import FewConnections


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


class Listening:
    """A small server behind :class:`FewConnections`."""

    def __init__(self, **bounds: float) -> None:
        self.bounds = bounds

    async def __aenter__(self) -> "Listening":
        app = web.Application()
        app.router.add_get("/", hello)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        assert self._runner.server is not None
        few = FewConnections(self._runner.server, **self.bounds)  # type: ignore[arg-type]  # numbers both
        self._server = await few.listen("127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._runner.cleanup()

    async def unfinished(self) -> asyncio.StreamReader:
        """Connect, and begin a request that never ends; return what reads the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers = [*getattr(self, "writers", []), writer]
        writer.write(b"GET / HTTP/1.1\r\nHost:")
        await writer.drain()
        return reader


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


async def get(port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as response:
        return await response.text()


async def test_whoever_finishes_is_answered_in_the_place_of_who_does_not() -> None:
    async with Listening(most=4) as listening:
        slow = [await listening.unfinished() for _ in range(20)]
        assert await get(listening.port) == "hello"
        assert all([await ended(reader) for reader in slow[:16]])
        assert not any(reader.at_eof() for reader in slow[17:])
        for writer in listening.writers:
            writer.close()


async def test_nobody_keeps_a_place_for_long() -> None:
    async with Listening(longest_s=0.05) as listening:
        assert await ended(await listening.unfinished())
        listening.writers[0].close()
