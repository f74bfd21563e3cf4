"""Interactions as signed HTTP requests, for an application that has an endpoint for them instead of the gateway."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import aiohttp

from townhall_bot.loopback.wire import message_payloads
from townhall_bot.loopback.world.clock import Clock
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Payload
from townhall_bot.loopback.world.world import World

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

log = logging.getLogger("townhall.loopback")

PING: Payload = {"id": "1", "type": 1, "version": 1}
TIMEOUT_S = 3.0
"""After it Discord shows that the application did not respond."""


class EndpointRefused(Exception):
    """Discord does not take the address as an endpoint; the message says what it answered."""


class Posts:
    """Sends interactions to an application's endpoint, signed with ``key``; see :func:`new_key`."""

    def __init__(self, world: World, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._world, self._key, self._clock = world, key, clock
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._url = ""
        self.answers: list[int] = []
        """The status of each answer, in order."""

    async def begin(self, url: str) -> None:
        """Send what happens from now on to ``url``, as soon as it has passed Discord's two tests.

        They are a PING, and one that is signed wrongly. Raises :class:`EndpointRefused`.
        """
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        self._url = url
        status, text = await self.post(PING)
        if status != 200 or json.loads(text).get("type") != 1:
            raise EndpointRefused(f"a PING was answered with {status} {text}")
        status, text = await self.post(PING, signature="00" * 64)
        if status != 401:
            raise EndpointRefused(f"a wrong signature was answered with {status} {text}")
        self._world.application.endpoint = url
        self._world.subscribe(self._on_change)

    async def post(self, payload: Payload, *, signature: str | None = None, age_s: float = 0.0) -> tuple[int, str]:
        """Send one request; return the status and the body of its answer."""
        assert self._session is not None
        body = json.dumps(payload).encode()
        timestamp = str(int(self._clock() - age_s))
        signed = self._key.sign(timestamp.encode() + body).hex() if signature is None else signature
        headers = {
            "X-Signature-Ed25519": signed,
            "X-Signature-Timestamp": timestamp,
            "Content-Type": "application/json",
        }
        async with self._session.post(self._url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def close(self) -> None:
        """Send nothing any more."""
        self._world.application.endpoint = None
        if self._under_way:
            await asyncio.wait(self._under_way)
        if self._session is not None:
            await self._session.close()

    def _on_change(self, change: Change) -> None:
        if change.kind == "interaction_created" and change.interaction is not None and self._world.application.endpoint:
            payload = message_payloads.interaction(change.interaction, self._world)
            task = asyncio.get_running_loop().create_task(self._send(payload), name="loopback-post")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _send(self, payload: Payload) -> None:
        try:
            status, text = await self.post(payload)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("the endpoint did not answer: %s", error)
            return
        self.answers.append(status)
        if status != 202:
            log.warning("the endpoint answered with %d %s", status, text)


def new_key(world: World) -> Ed25519PrivateKey:
    """Give the application a key pair: Discord keeps the private one, the portal shows the other."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    world.application.verify_key = key.public_key().public_bytes_raw().hex()
    return key
