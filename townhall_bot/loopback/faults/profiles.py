"""How often what goes wrong, for ``--weather``: drawn from a seed, so that a storm can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

from townhall_bot.loopback.faults.fault import Fault

Span = tuple[float, float]
"""From and to, in seconds."""
Incident = Literal["drop", "cut", "reconnect", "invalid but resumable", "invalid"]
SERVER_ERRORS = (500, 502, 503, 504)
NOT_REORDERED = frozenset({"READY", "RESUMED", "GUILD_CREATE"})
"""Events that a session begins with; Discord never sends others before them."""


@dataclass(frozen=True, slots=True)
class FaultProfile:
    """How often what goes wrong. Shares are of all requests, or of all gateway events; times are in seconds.

    ``took_effect`` is the share of failed and cut requests whose answer alone is lost. ``incident_every`` is the mean
    time between two troubles of the gateway connection, drawn from ``incidents``. ``skew`` is how far Discord's clock
    is ahead of this machine's.
    """

    name: str
    rate_limited: float = 0.0
    retry_after: Span = (0.1, 0.8)
    global_limits: float = 0.0
    failing: float = 0.0
    cut: float = 0.0
    took_effect: float = 0.5
    slow: float = 0.0
    slow_for: Span = (0.1, 1.2)
    doubled: float = 0.0
    late: float = 0.0
    late_for: Span = (0.05, 0.5)
    incident_every: float | None = None
    incidents: tuple[Incident, ...] = ()
    skew: float = 0.0

    def befalls(self, method: str, route: str, number: int, seed: int) -> Fault | None:
        """Return what happens to the ``number``-th request of a route, None where nothing does.

        The same seed gives the same, in whatever order the requests of different routes come.
        """
        # A string seeds the same everywhere; a tuple's hash would differ between processes.
        draw = random.Random(f"{seed} {method} {route} {number}")
        chance, fault = draw.random(), Fault(method, route)
        if chance < self.rate_limited:
            fault.status, fault.retry_after = 429, draw.uniform(*self.retry_after)
            fault.is_global = draw.random() < self.global_limits
            return fault
        chance -= self.rate_limited
        if chance < self.failing:
            fault.status, fault.after = draw.choice(SERVER_ERRORS), draw.random() < self.took_effect
            return fault
        chance -= self.failing
        if chance < self.cut:
            fault.cut, fault.after = True, draw.random() < self.took_effect
            return fault
        chance -= self.cut
        if chance < self.slow:
            fault.delay = draw.uniform(*self.slow_for)
            return fault
        return None

    def delays(self, name: str, number: int, seed: int) -> tuple[float, ...]:
        """Return when the ``number``-th gateway event is sent, in seconds from now: once, twice, or late.

        A late one is overtaken by those that follow.
        """
        if name in NOT_REORDERED:
            return (0.0,)
        draw = random.Random(f"{seed} gateway {number}")
        first = draw.uniform(*self.late_for) if draw.random() < self.late else 0.0
        return (first, first + draw.uniform(*self.late_for)) if draw.random() < self.doubled else (first,)


CALM: Final = FaultProfile("calm")
DRIZZLE: Final = FaultProfile(
    "drizzle",
    rate_limited=0.02, failing=0.01, cut=0.005, slow=0.05, slow_for=(0.1, 0.6),
    doubled=0.01, late=0.02, incident_every=120.0, incidents=("reconnect", "drop"), skew=2.0,
)  # fmt: skip
STORM: Final = FaultProfile(
    "storm",
    rate_limited=0.08, global_limits=0.2, failing=0.06, cut=0.04, slow=0.10,
    doubled=0.05, late=0.10, incident_every=20.0,
    incidents=("drop", "drop", "cut", "cut", "reconnect", "reconnect", "invalid but resumable", "invalid"), skew=90.0,
)  # fmt: skip
PRESETS: Final = {profile.name: profile for profile in (CALM, DRIZZLE, STORM)}
