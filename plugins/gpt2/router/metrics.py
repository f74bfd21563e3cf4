"""What Prometheus reads of a router: the line, the engines, what moved. Numbers only."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from plugins.gpt2.router.router import Router

disable_created_metrics()  # type: ignore[no-untyped-call]  # as the bot's: a second series that nobody reads


class RouterMetrics:
    """A registry of its own. ``townhall_router_waiting`` is what an autoscaler goes by."""

    def __init__(self, router: Router) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        fleet = router.fleet
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "townhall_router_waiting": ("Requests that wait for a row.", lambda: len(router.queue)),
            "townhall_router_running": ("Requests that engines write.", lambda: len(router.queue.running)),
            "townhall_router_engines": ("Engines that take requests.", lambda: len(fleet.taking)),
            "townhall_router_engines_leaving": (
                "Engines that end what they write and go.",
                lambda: len(fleet.living) - len(fleet.taking),
            ),
            "townhall_router_rows": (
                "Requests that all engines take at once.",
                lambda: sum(model.rows for engine in fleet.taking for model in engine.registration.status.loaded),
            ),
            "townhall_router_moved": ("Texts that went on elsewhere, their engine being lost.", lambda: router.moved),
            "townhall_router_engines_lost": ("Engines that went without a word.", lambda: fleet.lost),
            "townhall_router_affinity_hits": ("Prompts sent where the like was read.", lambda: fleet.affinity_hits),
            "townhall_router_affinity_misses": ("Prompts sent elsewhere.", lambda: fleet.affinity_misses),
        }
        for name, (text, read) in gauges.items():
            Gauge(name, text, registry=self._registry).set_function(read)
        self._served = Counter("townhall_router_requests", "Requests that came to an end.", registry=self._registry)

    def served(self) -> None:
        """Count a request."""
        self._served.inc()

    def page(self) -> bytes:
        """Return what Prometheus reads."""
        return generate_latest(self._registry)
