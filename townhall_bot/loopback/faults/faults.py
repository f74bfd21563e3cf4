"""What goes wrong on demand: rate limits, server errors, cut and slow connections, a gateway that drops.

Either one thing at a time, as a test of one failure wants it, or all that a :class:`FaultProfile` draws from a seed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from townhall_bot.loopback.faults.fault import Fault
from townhall_bot.loopback.faults.profiles import CALM, PRESETS, FaultProfile, Incident
from townhall_bot.loopback.world.enums import Opcode

if TYPE_CHECKING:
    from townhall_bot.loopback.wire.gateway import Gateway
    from townhall_bot.loopback.world.clock import ShiftedClock

log = logging.getLogger("townhall.loopback")


class Faults:
    """What a test, or ``townhall local --weather``, makes this Discord do wrong.

    ``path`` is a pattern for the route as Discord's description writes it, ``*`` standing for anything:
    ``/webhooks/*/messages/@original``. ``happened`` counts what befell requests and the gateway.
    """

    def __init__(self, gateway: Gateway, clock: ShiftedClock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._waiting: list[Fault] = []
        self._held: list[Fault] = []
        self.profile = CALM
        self.seed = 0
        self.happened: Counter[str] = Counter()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._sent = 0
        self._incidents: asyncio.Task[None] | None = None

    def begin(self, profile: FaultProfile | str, seed: int = 0) -> None:
        """Let a profile set in, given by itself or by the name of a preset; the same seed brings the same.

        Best before the bot connects: Discord's clock moves by the profile's skew. Raises KeyError with the names.
        """
        if isinstance(profile, str):
            if profile not in PRESETS:
                raise KeyError(f"no weather is called {profile!r}; there are: {', '.join(PRESETS)}")
            profile = PRESETS[profile]
        self._end_profile()
        self.profile, self.seed, self._clock.ahead = profile, seed, profile.skew
        self._requests.clear()
        self._sent = 0
        self._gateway.delays = self._delays
        if profile.incident_every is not None and profile.incidents:
            self._incidents = asyncio.create_task(self._trouble(profile.incident_every), name="loopback-faults")
        log.info("the weather: %s, seed %d", profile.name, seed)

    def answer(
        self, method: str, path: str, status: int, *, times: int = 1, retry_after: float = 0.0,
        is_global: bool = False, after: bool = False, body: str | None = None, code: int = 0,
        by_proxy: bool = False,
    ) -> Fault:  # fmt: skip
        """Answer the next ``times`` requests with an error status; 429 takes ``retry_after`` seconds.

        ``body`` is a web page in place of Discord's answer, ``code`` the error code in one of Discord's own.
        """
        limit = (status, retry_after, is_global)
        return self._add(Fault(method, path, times, *limit, after=after, body=body, code=code, by_proxy=by_proxy))

    def cut(self, method: str, path: str, *, times: int = 1, after: bool = False) -> Fault:
        """Close the connection of the next ``times`` requests without an answer."""
        return self._add(Fault(method, path, times, cut=True, after=after))

    def hold(self, method: str, path: str) -> Fault:
        """Keep the next request waiting until ``release()``; ``arrived`` tells that it is there."""
        fault = self._add(Fault(method, path, released=asyncio.Event()))
        self._held.append(fault)
        return fault

    def slow(self, method: str, path: str, seconds: float, *, times: int = 1) -> Fault:
        """Answer the next ``times`` requests only after ``seconds``."""
        return self._add(Fault(method, path, times, delay=seconds))

    async def drop_gateway(self, code: int = 4000) -> None:
        """Close every gateway connection with a code; 4000 makes clients resume."""
        await self._gateway.close_connections(code)

    def cut_gateway(self) -> None:
        """Break every gateway connection without a word."""
        self._gateway.cut_connections()

    async def ask_to_reconnect(self) -> None:
        """Send op 7: clients close and resume."""
        await self._gateway.send_to_all({"op": Opcode.RECONNECT, "d": None})

    async def invalidate_sessions(self, *, resumable: bool = False) -> None:
        """Send op 9; where not ``resumable``, the sessions are gone and clients identify anew."""
        if not resumable:
            self._gateway.forget_sessions()
        await self._gateway.send_to_all({"op": Opcode.INVALID_SESSION, "d": resumable})

    def clear(self) -> None:
        """Let nothing go wrong any more and let held requests go on. Discord's clock stays as far ahead as it is."""
        for fault in self._held:
            fault.release()
        self._waiting.clear()
        self._held.clear()
        self._end_profile()

    def next_for(self, method: str, route: str) -> Fault | None:
        """Return what happens to this request, counting it."""
        if (fault := self.asked_for(method, route)) is not None:
            return fault
        self._requests[method, route] += 1
        drawn = self.profile.befalls(method, route, self._requests[method, route], self.seed)
        if drawn is not None:
            self.happened[drawn.kind] += 1
        return drawn

    def asked_for(self, method: str, route: str) -> Fault | None:
        """Return what a test wants to happen to this request, whatever the weather, counting it."""
        for fault in self._waiting:
            if fault.method in (method, "*") and fnmatchcase(route, fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
                return fault
        return None

    def _add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault

    def _delays(self, name: str) -> tuple[float, ...]:
        self._sent += 1
        delays = self.profile.delays(name, self._sent, self.seed)
        self.happened["events sent twice"] += len(delays) - 1
        self.happened["events out of order"] += delays[0] > 0
        return delays

    async def _trouble(self, every: float) -> None:
        """Trouble the gateway's connections again and again."""
        draw = random.Random(f"{self.seed} incidents")
        while True:
            await asyncio.sleep(draw.expovariate(1 / every))
            incident = draw.choice(self.profile.incidents)
            self.happened[f"gateway: {incident}"] += 1
            log.info("the weather: gateway %s", incident)
            await self._strike(incident)

    async def _strike(self, incident: Incident) -> None:
        match incident:
            case "drop":
                await self.drop_gateway()
            case "cut":
                self.cut_gateway()
            case "reconnect":
                await self.ask_to_reconnect()
            case "invalid but resumable":
                await self.invalidate_sessions(resumable=True)
            case "invalid":
                await self.invalidate_sessions()

    def _end_profile(self) -> None:
        self.profile = CALM
        if self._incidents is not None:
            self._incidents.cancel()
            self._incidents = None
