"""What Prometheus may read of the bot: how soon it answers, how the gateway is, whether the event loop keeps up.

Numbers only: no texts, and no ids of people or servers. Each plugin has a registry of its own, so that one that fails
while it is read fails alone.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from townhall_bot.discordpy import interactions
from townhall_bot.ops import request_ids

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall
    from townhall_bot.plugins.host import LoadedPlugin

log = logging.getLogger("townhall.metrics")

# A second series beside each counter and histogram, which nobody reads. Plugins' have none either.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client gives this one function no types

ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Seconds; Discord gives up after the last."""
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
DURATION_BUCKETS = (0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
LAG_EVERY_S = 0.1
FORGET_AFTER_S = 900.0
"""An interaction's token is good for 15 minutes: what was not answered by then never will be."""


class Metrics:
    """The bot's own metrics. :meth:`watch` makes it measure; :meth:`page` is what Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._plugins: dict[str, CollectorRegistry] = {}
        self._arrivals: dict[str, float] = {}
        self.ack = Histogram(
            "townhall_interaction_ack_seconds",
            "Time from an interaction's arrival until Discord has the first answer.",
            buckets=ACK_BUCKETS,
            registry=self.registry,
        )
        self.commands = Counter(
            "townhall_commands_total", "Commands that came to an end.", ["command", "outcome"], registry=self.registry
        )
        self.duration = Histogram(
            "townhall_command_duration_seconds",
            "Time from a command's arrival until its callback returned.",
            ["command"],
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self.requests = Counter(
            "townhall_discord_requests_total", "Requests to Discord.", ["method", "status"], registry=self.registry
        )
        self.gateway_events = Counter(
            "townhall_gateway_events_total",
            "Connections of the gateway made, resumed and lost.",
            ["event"],
            registry=self.registry,
        )
        self.lag = Histogram(
            "townhall_event_loop_lag_seconds",
            f"How late the event loop wakes up who sleeps for {LAG_EVERY_S:g} s.",
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )
        self.healthy = Gauge(
            "townhall_plugin_healthy", "1 where a plugin says that it is well.", ["plugin"], registry=self.registry
        )
        Gauge("townhall_build_info", "The version that runs.", ["version"], registry=self.registry).labels(
            version("townhall-bot")
        ).set(1)
        ProcessCollector(registry=self.registry)

    def watch(self, bot: Townhall) -> None:
        """Measure this bot from now on."""
        interactions.intercept(bot, self._arrived)
        Gauge(
            "townhall_gateway_latency_seconds",
            "Time between the gateway's last heartbeat and its answer.",
            registry=self.registry,
        ).set_function(lambda: bot.latency if math.isfinite(bot.latency) else math.nan)
        Gauge("townhall_guilds", "Servers the bot is in.", registry=self.registry).set_function(lambda: len(bot.guilds))

    def trace(self) -> aiohttp.TraceConfig:
        """Return what makes discord.py's HTTP client report its requests here."""
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        return trace

    def add_plugin(self, loaded: LoadedPlugin) -> None:
        """Ask a plugin for its metrics, in a registry of its own; one that fails is logged and shows none."""
        registry = CollectorRegistry()
        try:
            if loaded.plugin is not None:
                loaded.plugin.metrics(registry)
            self._plugins[loaded.name] = registry
        except Exception:
            self._plugins.pop(loaded.name, None)
            log.exception("plugin %s failed at metrics()", loaded.name)

    def settled(self, command: str, request: int, outcome: str) -> None:
        """Count a command that came to an end."""
        self.commands.labels(command, outcome).inc()
        arrived = self._arrivals.pop(str(request), None)
        if arrived is not None:
            self.duration.labels(command).observe(time.perf_counter() - arrived)

    def page(self) -> bytes:
        """Return everything in Prometheus's text format; a plugin that fails while it is read is left out."""
        parts = [generate_latest(self.registry)]
        for name, registry in self._plugins.items():
            try:
                parts.append(generate_latest(registry))
            except Exception:
                log.exception("the metrics of plugin %s cannot be read", name)
        return b"".join(parts)

    async def measure_lag(self) -> None:
        """Observe how late the event loop is, until cancelled."""
        while True:
            wanted = time.perf_counter() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.lag.observe(max(0.0, time.perf_counter() - wanted))

    def _arrived(self, request: str, deliver: Callable[[], None]) -> None:
        now = time.perf_counter()
        while self._arrivals:  # in the order of arrival: the first is the oldest
            oldest = next(iter(self._arrivals))
            if now - self._arrivals[oldest] < FORGET_AFTER_S:
                break
            del self._arrivals[oldest]
        self._arrivals.setdefault(request, now)  # Discord may send one twice
        with request_ids.serving(request):
            deliver()

    async def _answered(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestEndParams
    ) -> None:
        self.requests.labels(request.method, request.response.status).inc()
        parts = request.url.path.rsplit("/", 4)  # …/interactions/{id}/{token}/callback
        if len(parts) == 5 and parts[1] == "interactions" and parts[4] == "callback" and request.response.ok:
            arrived = self._arrivals.get(parts[2])
            if arrived is not None:
                self.ack.observe(time.perf_counter() - arrived)
