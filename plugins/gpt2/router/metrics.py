"""What Prometheus reads of a router: the line and the rows of each model, the engines, what moved. Numbers only."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from plugins.gpt2.formatting import without_folders
from plugins.gpt2.router.router import Router

disable_created_metrics()  # type: ignore[no-untyped-call]  # as the bot's: a second series that nobody reads


class ByModel(Collector):
    """The gauges of each model that engines offer or somebody waits for: pools of engines are scaled by them."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield them as they are now; a model without an engine has zeros, for an autoscaler to go by."""
        queue, taking = self._router.queue, self._router.fleet.taking
        serving = [model for engine in taking for model in engine.registration.status.loaded]
        rows = Count[str]()
        for model in serving:
            rows[model.info.name] += model.rows
        counts: dict[str, tuple[str, Count[str]]] = {
            "townhall_router_waiting": (
                "Requests that wait for a row.",
                Count(state.request.model for state in queue.waiting),
            ),
            "townhall_router_running": (
                "Requests that engines write.",
                Count(state.request.model for state in queue.running.values()),
            ),
            "townhall_router_rows": ("Requests that all engines take at once.", rows),
            "townhall_router_model_engines": (
                "Engines that have the model and take requests.",
                Count(model.info.name for model in serving),
            ),
        }
        names = {*self._router.fleet.offers, *(name for _, count in counts.values() for name in count)}
        for gauge, (text, count) in counts.items():
            family, shown = GaugeMetricFamily(gauge, text, labels=["model"]), Count[str]()
            for name in names:
                shown[without_folders(name)] += count[name]  # where the host keeps files is the host's business
            for label, number in sorted(shown.items()):
                family.add_metric([label], number)
            yield family


class RouterMetrics:
    """A registry of its own. ``townhall_router_waiting`` is what an autoscaler goes by."""

    def __init__(self, router: Router) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(ByModel(router))
        fleet = router.fleet
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "townhall_router_engines": ("Engines that take requests.", lambda: len(fleet.taking)),
            "townhall_router_engines_leaving": (
                "Engines that end what they write and go.",
                lambda: len(fleet.living) - len(fleet.taking),
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
