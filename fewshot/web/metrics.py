"""What Prometheus reads: how many, how long, how full. No number tells who."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Measured:
    """ASGI middleware: counts answers and their time, by route and not by path, which visitors choose."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            # Answered with 500 and told to whoever runs the booth; the server would tell it again.
            if not status:
                raise
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(time.perf_counter() - start)
