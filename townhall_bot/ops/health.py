"""The health page: ``/healthz`` (alive), ``/readyz`` (serving), ``/metrics`` (Prometheus). On loopback by default.

``townhall run`` serves it; see ``TOWNHALL_HEALTH_PORT``. Nothing here can change anything, and nothing that people
write is shown.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from townhall_bot.ops.addresses import is_loopback
from townhall_bot.ops.few_connections import FewConnections
from townhall_bot.plugins import host

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall

log = logging.getLogger("townhall.health")

CURE = "Set TOWNHALL_HEALTH_HOST and TOWNHALL_HEALTH_PORT to what is free, or the port to 0 for no health page."


def why_not(error: OSError | UnicodeError) -> str:
    """Return why nothing listens somewhere, in a few words."""
    if isinstance(error, UnicodeError):  # Python's own: a label of more than 63 characters, or an empty one
        return "that is no host's name"
    # asyncio's own words for it tell the address once more
    return (os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror) or str(error)


class HealthPage:
    """Serves a bot's health on ``host``; ``port`` 0 takes any free one. ``url`` is known after :meth:`start`."""

    def __init__(self, bot: Townhall, host: str, port: int) -> None:
        self._bot = bot
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        """Begin to listen. Where that fails the bot goes on without, and the log says why."""
        app = web.Application()
        app.add_routes(
            [web.get("/healthz", self._alive), web.get("/readyz", self._ready), web.get("/metrics", self._metrics)]
        )
        app.on_response_prepare.append(_once)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        assert runner.server is not None  # from its setup on
        try:
            self._listening = await FewConnections(runner.server).listen(self._host, self._port)
        except (OSError, UnicodeError) as error:
            await runner.cleanup()
            reason = why_not(error)
            log.error("no health page: %s port %d: %s. %s", self._host, self._port, reason, CURE)
            return
        self._runner = runner
        host, port = self._listening.sockets[0].getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if is_loopback(self._host):
            log.info("health page: %s/healthz, /readyz, /metrics", self.url)
        else:
            log.warning("the health page %s can be read by other machines, without a password", self.url)

    async def stop(self) -> None:
        """Stop listening; stopping twice is fine."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _alive(self, request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready: started, connected to the gateway, able to keep what people change, and not about to stop."""
        bot, failure = self._bot, self._bot.store.failure
        plugins = {loaded.name: await host.health(loaded) for loaded in bot.plugins.values()}
        state = {
            "started": bot.started.is_set(),
            "gateway": bot.connected,
            **bot.shard_states(),
            "draining": bot.draining,
            "database": {"ok": failure is None, "summary": "in use" if failure is None else str(failure)},
            "plugins": {name: {"ok": health.ok, "summary": health.summary} for name, health in plugins.items()},
        }
        ready = bot.started.is_set() and bot.connected and not bot.draining and failure is None
        return web.json_response({"ready": ready, **state}, status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        for loaded in self._bot.plugins.values():
            self._bot.metrics.healthy.labels(loaded.name).set((await host.health(loaded)).ok)
        return web.Response(body=self._bot.metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _once(request: web.Request, response: web.StreamResponse) -> None:
    """Have each connection serve one request: one that waits for another would only take a place."""
    response.force_close()
