"""The metrics of a processor: what became of the records it read, and what it published."""

from __future__ import annotations

from collections.abc import Sequence
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from gebus.model.errors import Stopped
from gebus.model.event import STATUSES

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0)


class Metrics:
    """Counted since this process began; every series of a metric is there from the start, at 0."""

    def __init__(self, processor: str, outcomes: Sequence[str]) -> None:
        self.registry = CollectorRegistry()
        records = Counter(
            "gebus_processor_records", "Records of the feed by what became of them; a repeat counts again",
            ("processor", "outcome"), registry=self.registry,
        )  # fmt: skip
        events = Counter(
            "gebus_processor_events", "Events published and acknowledged, by status; a repeat counts again",
            ("processor", "status"), registry=self.registry,
        )  # fmt: skip
        keys = Gauge("gebus_processor_keys", "Keys that the state holds", ("processor",), registry=self.registry)
        seconds = Histogram(
            "gebus_processor_record_seconds", "From taking a record until its events and state are acknowledged",
            ("processor",), registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self.records = {outcome: records.labels(processor, outcome) for outcome in outcomes}
        self.events = {status: events.labels(processor, status) for status in STATUSES}
        self.keys, self.seconds = keys.labels(processor), seconds.labels(processor)

    def serve(self, port: int) -> WSGIServer:
        """Answer scrapes on loopback until the server is shut down."""
        try:
            server, _ = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise Stopped(
                f"port {port} for the processor's metrics cannot be had: {error.strerror}; give another --metrics-port"
            ) from error
        return server
