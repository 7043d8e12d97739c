"""The metrics of the ledger and of a witness."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from gebus.ledger.cosigners import Cosigner
from gebus.model.errors import Stopped


class Metrics:
    """Counted since this process began; every series is there from the start, at 0."""

    def __init__(self, cosigners: Sequence[Cosigner] = ()) -> None:
        self.registry = here = CollectorRegistry()
        self.size = Gauge("gebus_ledger_size", "Leaves of the tree", registry=here)
        self.leaves = Counter("gebus_ledger_leaves", "Leaves appended", registry=here)
        self.records = Counter("gebus_ledger_records", "Delivered records under the leaves appended", registry=here)
        self.unsound = Counter("gebus_ledger_unsound_leaves", "Leaves whose root is not their entries'", registry=here)
        self.signed = Gauge("gebus_ledger_checkpoint_timestamp_seconds", "When the newest was signed", registry=here)
        witness = Gauge("gebus_ledger_witness_up", "1 if it cosigned when asked last", ("witness",), registry=here)
        for cosigner in cosigners:
            witness.labels(cosigner.key.name).set_function(partial(_up, cosigner))

    def serve(self, port: int) -> WSGIServer:
        """Answer scrapes on loopback until the server is shut down."""
        try:
            server, _ = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise Stopped(
                f"port {port} for metrics cannot be had: {error.strerror}; give another --metrics-port"
            ) from error
        return server


def _up(cosigner: Cosigner) -> float:
    return float(not cosigner.problem)
