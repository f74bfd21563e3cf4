"""The address to which Discord sends commands, presses and forms where no gateway is used.

Discord's request is answered with 202 and no body, which tells it that the answer comes by the callback route; so
everything behind it is as with the gateway. TLS is a proxy's affair (docs/operating.md).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from townhall_bot.interactions.signature import KeyProblem, Verifier
from townhall_bot.ops.addresses import is_loopback
from townhall_bot.ops.health import why_not

log = logging.getLogger("townhall.bot")

PATH = "/interactions"
LARGEST_BODY = 1024 * 1024
"""Discord's own largest are some 100 kB: 25 options of 6,000 characters."""
PING = 1


class EndpointError(Exception):
    """The endpoint cannot serve; the message says why, and what to do."""


class Endpoint:
    """Serves ``POST /interactions`` on ``host``; ``port`` 0 takes any free one. ``url`` is known after :meth:`start`.

    ``take`` is handed each interaction as Discord sent it; ``open_to`` says whether the bot takes any now.
    """

    def __init__(
        self,
        take: Callable[[dict[str, Any]], None],
        open_to: Callable[[], bool],
        *,
        public_key: str,
        host: str,
        port: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._take, self._open_to, self._host, self._port = take, open_to, host, port
        try:
            self._verifier = Verifier(public_key, clock)
        except KeyProblem as error:
            raise EndpointError(f"Discord cannot send interactions here: {error}") from None
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def listening(self) -> bool:
        """Whether Discord's requests are taken."""
        return self._runner is not None

    async def start(self) -> None:
        """Begin to listen. Raises :class:`EndpointError` where that fails: nobody would reach the bot."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes([web.post(PATH, self._receive)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except (OSError, UnicodeError) as error:
            await runner.cleanup()
            raise EndpointError(
                f"nothing can listen on {self._host} port {self._port}: {why_not(error)}. "
                "Set TOWNHALL_INTERACTIONS_HOST and TOWNHALL_INTERACTIONS_PORT to what is free."
            ) from None
        self._runner = runner
        host, port = runner.addresses[0][:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
        seen = "" if is_loopback(self._host) else "; other machines reach it without TLS"
        log.info("Discord's interactions are taken at %s%s", self.url, seen)

    async def stop(self) -> None:
        """Stop listening; stopping twice is fine."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._verifier.accepts(request.headers, body):
            return web.Response(status=401, text="the signature is not Discord's, or of another time")
        try:
            data = json.loads(body)
            kind, _ = data["type"], str(data["id"])
        except (ValueError, KeyError, TypeError):
            log.warning("Discord sent what is no interaction, %d bytes", len(body))
            return web.Response(status=400, text="this is no interaction")
        if kind == PING:
            return web.json_response({"type": PING})
        if not self._open_to():
            return web.Response(status=503, text="the bot is starting or stopping")
        self._take(data)
        return web.Response(status=202)
