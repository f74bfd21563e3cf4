"""Which router is asked: the first that answers, in the host's order, so that all bots come to the same one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import aiohttp

from plugins.gpt2.protocol import EngineStatus
from plugins.gpt2.wire.calling import Caller, Lost
from plugins.gpt2.wire.lines import BEAT_S, WireError
from plugins.gpt2.wire.values import status_in

log = logging.getLogger("townhall.gpt2.remote")

NOTHING = EngineStatus((), None, 0, 0, "", "")


class Routers:
    """Asks routers how things are, each half second. One that is lost is asked last until it answers again."""

    def __init__(self, addresses: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._callers = [Caller(url, session) for url in addresses]
        self.current = self._callers[0]
        self.status = replace(NOTHING, failure=None)
        """What the current router said last."""
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._polling = asyncio.create_task(self._poll(), name="gpt2-routers")

    def lose(self, caller: Caller, how: str) -> None:
        """Note that a router does not answer: the next one is asked meanwhile."""
        if caller is self.current and len(self._callers) > 1:
            after = self._callers.index(caller) + 1
            self.current = self._callers[after % len(self._callers)]
            log.warning("the router %s is lost (%s); %s is asked", caller.url, how, self.current.url)

    async def refresh(self) -> None:
        """Ask now, the preferred one first."""
        reasons = []
        for caller in self._callers:
            try:
                self.status = status_in(await caller.ask("GET", "status"))
            except (Lost, WireError) as error:
                reasons.append(f"{caller.url}: {error}")
            else:
                if caller is not self.current:
                    log.info("the router %s is asked again", caller.url)
                self.current = caller
                return
        self.status = replace(NOTHING, failure=f"No router answers. {'; '.join(reasons)}")

    async def close(self) -> None:
        """Stop asking."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(BEAT_S)
