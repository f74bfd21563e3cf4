"""The router's calls: requests from bots, registrations from engines, and what a host and Prometheus look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from plugins.gpt2.router.metrics import RouterMetrics
from plugins.gpt2.router.router import Router
from plugins.gpt2.wire.events import Admitted, Told
from plugins.gpt2.wire.lines import WireError, path, read
from plugins.gpt2.wire.registration import Registration, registration_in
from plugins.gpt2.wire.serving import application, stream, told_loading
from plugins.gpt2.wire.values import request_in, status_out

SWEEP_S = 0.5
OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""What needs no secret: numbers, and nothing can be changed."""


class RouterServer:
    """Puts a router behind HTTP. ``app`` is what listens."""

    def __init__(self, router: Router, secret: str | None) -> None:
        self._router = router
        self._metrics = RouterMetrics(router)
        self._sweeping: asyncio.Task[None] | None = None
        self.app = application(secret, OPEN)
        self.app.add_routes(
            [
                web.post(path("generate"), self._generate),
                web.post(path("models"), self._ensure),
                web.delete(path("requests/{id:\\d+}"), self._cancel),
                web.delete(path("members/{id:\\d+}"), self._cancel_member),
                web.post(path("engines"), self._register),
                web.get(path("status"), self._status),
                web.get("/healthz", self._healthy),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._prometheus),
            ]
        )
        self.app.on_startup.append(self._start)
        self.app.on_cleanup.append(self._end)

    async def _start(self, app: web.Application) -> None:
        self._sweeping = asyncio.create_task(self._sweep(), name="router-sweep")

    async def _end(self, app: web.Application) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._router.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._router.fleet.sweep()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        said = read(await request.read())
        asked, resumed, asker = request_in(said), bool(said.get("resumed")), str(said.get("asker") or "")

        async def told() -> AsyncGenerator[Told]:
            async with self._router.admitted(asked, resumed=resumed, asker=asker) as events:
                yield Admitted()
                async for event in events:
                    yield event

        try:
            return await stream(request, told())
        finally:
            self._metrics.served()

    async def _ensure(self, request: web.Request) -> web.StreamResponse:
        said = read(await request.read())
        return await stream(request, told_loading(self._router.ensure_model, str(said.get("model", ""))))

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response({"was": await self._router.cancel(int(request.match_info["id"]))})

    async def _cancel_member(self, request: web.Request) -> web.Response:
        return web.json_response({"were": await self._router.cancel_member(int(request.match_info["id"]))})

    async def _register(self, request: web.Request) -> web.Response:
        said = _with_host(registration_in(read(await request.read())), request.remote)
        if self._router.fleet.register(said):
            self._router.dispatch()
        return web.json_response({})

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(status_out(self._router.status()))

    async def _healthy(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready is a router that has an engine; a stand-by is as ready as the first."""
        engines = len(self._router.fleet.taking)
        return web.Response(text=f"{engines} engines\n", status=200 if engines else 503)

    async def _prometheus(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _with_host(said: Registration, remote: str | None) -> Registration:
    parts = urlsplit(said.url)
    try:
        port = parts.port
    except ValueError as error:
        raise WireError(f"{said.url!r} is no address of an engine: {error}.") from error
    if parts.hostname or not remote or port is None:
        return said
    host = f"[{remote}]" if ":" in remote else remote
    return replace(said, url=urlunsplit((parts.scheme, f"{host}:{port}", "", "", "")))
