"""What Prometheus reads: how many, how long, how full. No number tells who."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """The counters of one booth."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fewshot_requests", "Answers by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "fewshot_request_seconds",
            "Time to an answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.drawn = Counter(
            "fewshot_drawings", "Pictures drawn, by style.", ["style"], registry=self.registry
        )
        self.batch = Histogram(
            "fewshot_batch_pictures", "Pictures drawn together.", buckets=(1, 2, 3, 4), registry=self.registry
        )
        self.waiting = Gauge("fewshot_waiting", "Requests being answered.", registry=self.registry)
        self.live = Gauge("fewshot_live_connections", "Live filters open.", registry=self.registry)
        self.sessions = Gauge("fewshot_sessions", "Merged models kept ready.", registry=self.registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
