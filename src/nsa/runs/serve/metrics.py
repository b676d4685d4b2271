"""What a server counts, in the text form of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)  # fmt: skip

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
UNDECIDED = "undecided"  # by a run that is not calibrated


class Metrics:
    """Counts of one server.

    Attributes:
        requests: by path and status.
        seconds: from the head of a request for a prediction to the end of its answer.
        images: judged, by what is predicted.
        batches: histogram of images judged at once.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, run: str, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("nsa_run", "The run that is served.", registry=registry).info(
            {"run": run, "version": version}
        )
        self.requests = Counter(
            "nsa_requests", "Requests answered.", ("path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "nsa_request_seconds", "Time to answer a request to /predict.", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.images = Counter(
            "nsa_images", "Images judged, by what is predicted.", ("predicted",), registry=registry
        )
        self.batches = Histogram(
            "nsa_batch_images", "Images judged at once.", buckets=_SIZES, registry=registry
        )

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Add a value that is asked for when metrics are."""
        Gauge(name, meaning, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
