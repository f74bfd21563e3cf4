"""Listening: the secret, the version, and answers that are streams of lines with beats between them."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import GenerationError, OnProgress
from plugins.gpt2.wire.events import Loaded, Progress, Told, event_out
from plugins.gpt2.wire.lines import BEAT, BEAT_S, VERSION, WireError, line, other_version
from townhall_bot.ops.addresses import is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Ensure = Callable[[str, OnProgress | None], Coroutine[Any, Any, ModelInfo]]
"""An ``ensure_model``."""
BACKLOG = 2048
"""Connections that may wait to be taken: after a router was lost, all bots come at once."""
LARGEST = 2**20
"""The most bytes of a call's body: a prompt of 6,000 characters, its turns and what was written fit many times."""


class NotListening(Exception):
    """Nothing can listen there: says where, why, and what to do."""


class NoSecret(NotListening):
    """Other machines could call, and there is no secret to know them by."""


def application(secret: str | None, open_paths: frozenset[str] = frozenset()) -> web.Application:
    """Return an application whose calls need the secret, where there is one, and the version that is spoken here.

    ``open_paths`` need neither.
    """
    expected = None if secret is None else f"Bearer {secret}".encode()

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in open_paths:
            return await handler(request)
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if expected is not None and not hmac.compare_digest(given, expected):
            text = "TOWNHALL_GPT2_ROUTER_SECRET is not the same here and there."
            return web.json_response({"error": text}, status=401)
        version = request.path.split("/")[1]
        if version != VERSION:
            return web.json_response({"error": other_version(version or "no version")}, status=404)
        try:
            return await handler(request)
        except WireError as error:
            return web.json_response({"error": str(error)}, status=400)

    return web.Application(middlewares=[checked], client_max_size=LARGEST)


async def listen(app: web.Application, host: str, port: int, secret: str | None) -> tuple[web.AppRunner, int]:
    """Begin to serve; return what ends it and the port. Raises :class:`NotListening`."""
    if secret is None and not is_loopback(host):
        raise NoSecret(
            f"{host} can be reached by other machines, so set TOWNHALL_GPT2_ROUTER_SECRET to a long random word, "
            "the same for bots, routers and engines; or listen on 127.0.0.1."
        )
    # Without handler_cancellation a handler whose client is gone would run on, and its row would count as taken.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise NotListening(
            f"{host} port {port}: {error.strerror or error}. Choose another one with --listen."
        ) from error
    return runner, runner.addresses[0][1]


async def stream(request: web.Request, told: AsyncIterator[Told], *, beat_s: float = BEAT_S) -> web.StreamResponse:
    """Answer with lines, and with a beat whenever nothing was told for a while. Ends with the error that is raised.

    Where the client leaves, aiohttp cancels this, and ``told`` ends with it.
    """
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    coming: asyncio.Future[Told] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(anext(told))
            done, _ = await asyncio.wait({coming}, timeout=beat_s)
            if not done:
                await response.write(BEAT)
                continue
            try:
                news: Told = coming.result()
            except StopAsyncIteration:
                break
            except GenerationError as error:
                await response.write(line(event_out(error)))
                break
            finally:
                coming = None
            await response.write(line(event_out(news)))
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        if (close := getattr(told, "aclose", None)) is not None:
            await close()
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


async def told_loading(ensure: Ensure, model: str) -> AsyncGenerator[Told]:
    """Yield the progress of a model that ``ensure`` (an ``ensure_model``) loads, and its facts at the end."""
    lines: asyncio.Queue[Progress | None] = asyncio.Queue()
    loading = asyncio.ensure_future(ensure(model, lambda line: lines.put_nowait(Progress(line))))
    loading.add_done_callback(lambda done: lines.put_nowait(None))
    try:
        while (progress := await lines.get()) is not None:
            yield progress
        yield Loaded(await loading)
    finally:
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await loading
