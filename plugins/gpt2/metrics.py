"""What Prometheus reads of the plugin. Numbers only, and no names of people or servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.gpt2.protocol import Finished, TextGenerator

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

FIRST_TOKEN_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends in seconds."""


class Metrics:
    """The plugin's metrics; before :meth:`register`, or without a metrics page, nothing is counted."""

    def __init__(self, service: TextGenerator) -> None:
        self._service = service
        self._requests: Counter | None = None
        self._tokens: Counter | None = None
        self._first_token: Histogram | None = None
        self._waited: Histogram | None = None

    def register(self, registry: CollectorRegistry) -> None:
        """Register everything in ``registry``."""
        from prometheus_client import Counter, Gauge, Histogram

        service = self._service
        places = {
            "townhall_gpt2_queue_length": ("Requests that wait.", lambda: service.status().queued),
            "townhall_gpt2_requests_running": ("Requests that run.", lambda: service.status().running),
            "townhall_gpt2_models_loaded": ("Models in memory.", lambda: len(service.status().models)),
        }
        for name, (description, value) in places.items():
            Gauge(name, description, registry=registry).set_function(value)
        self._requests = Counter(
            "townhall_gpt2_requests", "Requests that came to an end, by why.", ["reason"], registry=registry
        )
        self._tokens = Counter("townhall_gpt2_tokens", "New tokens.", registry=registry)
        self._first_token = Histogram(
            "townhall_gpt2_first_token_seconds",
            "From the start of a request, after its wait, to its first token.",
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self._waited = Histogram(
            "townhall_gpt2_queue_seconds",
            "How long a request waited.",
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )

    def note(self, finished: Finished) -> None:
        """Count a request."""
        timing = finished.timing
        if self._requests is not None and self._tokens is not None:
            self._requests.labels(finished.reason).inc()
            self._tokens.inc(timing.new_tokens)
        if self._first_token is not None and timing.new_tokens:
            self._first_token.observe(timing.first_token_ms / 1000)
        if self._waited is not None:
            self._waited.observe(timing.queue_ms / 1000)
