"""Bad weather on demand: rate limits, server errors, cut and held connections, a gateway that drops."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from townhall_bot.loopback.gateway import Gateway


@dataclass(slots=True, eq=False)
class Event:
    """What happens to the next matching requests.

    ``status`` None with ``cut`` False only holds them. ``after`` lets the request take effect first, so that only
    its answer is lost.
    """

    method: str
    path: str
    times: int
    status: int | None = None
    retry_after: float = 0.0
    is_global: bool = False
    cut: bool = False
    after: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event | None = None

    def release(self) -> None:
        """Let a held request go on."""
        if self.released is not None:
            self.released.set()


class Weather:
    """What a test, or ``townhall local --weather``, makes this Discord do wrong.

    ``path`` is a pattern for the route as Discord's description writes it, ``*`` standing for anything:
    ``/webhooks/*/messages/@original``.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._events: list[Event] = []
        self._held: list[Event] = []

    def answer(
        self, method: str, path: str, status: int, *, times: int = 1, retry_after: float = 0.0,
        is_global: bool = False, after: bool = False,
    ) -> Event:  # fmt: skip
        """Answer the next ``times`` requests with an error status; 429 takes ``retry_after`` seconds."""
        return self._add(Event(method, path, times, status, retry_after, is_global, after=after))

    def cut(self, method: str, path: str, *, times: int = 1, after: bool = False) -> Event:
        """Close the connection of the next ``times`` requests without an answer."""
        return self._add(Event(method, path, times, cut=True, after=after))

    def hold(self, method: str, path: str) -> Event:
        """Keep the next request waiting until ``release()``; ``arrived`` tells that it is there."""
        event = self._add(Event(method, path, 1, released=asyncio.Event()))
        self._held.append(event)
        return event

    async def drop_gateway(self, code: int = 4000) -> None:
        """Close every gateway connection with a code; 4000 makes clients resume."""
        await self._gateway.close_connections(code)

    async def ask_to_reconnect(self) -> None:
        """Send op 7: clients close and resume."""
        await self._gateway.send_to_all({"op": 7, "d": None})

    async def invalidate_sessions(self, *, resumable: bool = False) -> None:
        """Send op 9; where not ``resumable``, the sessions are gone and clients identify anew."""
        if not resumable:
            self._gateway.forget_sessions()
        await self._gateway.send_to_all({"op": 9, "d": resumable})

    def clear(self) -> None:
        """End all weather and let held requests go on."""
        for event in self._held:
            event.release()
        self._events.clear()
        self._held.clear()

    def next_for(self, method: str, route: str) -> Event | None:
        """Return what happens to this request, counting it."""
        for event in self._events:
            if event.method in (method, "*") and fnmatchcase(route, event.path):
                event.times -= 1
                if event.times == 0:
                    self._events.remove(event)
                return event
        return None

    def _add(self, event: Event) -> Event:
        self._events.append(event)
        return event
