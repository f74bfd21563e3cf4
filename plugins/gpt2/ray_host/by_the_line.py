"""How many engines a model is to have: by the router's line, which alone knows who waits. Serve carries no text."""

from __future__ import annotations

import math
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from plugins.gpt2.formatting import without_folders

PATIENCE_S = 0.5
"""Serve's controller waits for this, at most once in each of its rounds and router."""
Numbers = Mapping[str, float]
"""A router's gauges of one model: ``waiting``, ``running``, ``rows`` and ``model_engines``."""


def numbers_of(page: str, model: str) -> Numbers:
    """Return a model's gauges on a router's page for Prometheus."""
    prefix, label = "townhall_router_", without_folders(model)
    return {
        sample.name.removeprefix(prefix): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith(prefix) and sample.labels.get("model") == label
    }


def wanted(numbers: Numbers, rows: int) -> int:
    """Return how many engines write at once all that wait and run; ``rows`` is what one takes, where none tells."""
    engines = numbers.get("model_engines", 0)
    each = numbers["rows"] / engines if engines and numbers.get("rows") else rows
    return math.ceil((numbers.get("waiting", 0) + numbers.get("running", 0)) / each)


class ByTheLine:
    """Serve's policy for a deployment. The first router that answers decides; where none does, all stays as it is."""

    def __init__(self, routers: Sequence[str], model: str, rows: int) -> None:
        self._routers = tuple(routers)
        self._model = model
        self._rows = rows

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """Return the number of replicas, and Serve's state of this policy, which has none."""
        numbers = self._numbers()
        if numbers is None:
            return context.target_num_replicas, {}
        least, most = context.capacity_adjusted_min_replicas, context.capacity_adjusted_max_replicas
        return max(least, min(most, wanted(numbers, self._rows))), {}

    def _numbers(self) -> Numbers | None:
        for router in self._routers:
            try:
                with urllib.request.urlopen(f"{router}/metrics", timeout=PATIENCE_S) as page:
                    return numbers_of(page.read().decode(), self._model)
            except (OSError, ValueError):
                continue
        return None
