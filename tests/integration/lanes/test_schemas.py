"""Writer schemas that a worker meets while it runs, with a registry that comes and goes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from tests.integration.lanes.kit import Bed, record, wait_until

from gebus.testing.messages import Encoder


class Wire:
    """A way to the registry that can be cut: while it is, nobody answers at its port."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._up = threading.Event()
        self._up.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """End what is open, and answer nobody."""
        self._up.clear()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._up.set()

    def close(self) -> None:
        self.cut()
        self._listener.close()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._up.is_set():
                near.close()
                continue
            far = socket.create_connection(self._target, timeout=10)
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65_536):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(bed: Bed) -> Iterator[Wire]:
    url = urlsplit(bed.stack.connection().registry)
    made = Wire((url.hostname or "127.0.0.1", url.port or 443))
    yield made
    made.close()


@contextmanager
def _environment(bed: Bed, wire: Wire) -> Iterator[dict[str, str]]:
    connection = bed.stack.connection("gebus-lanes")
    yield {
        "GEBUS_BOOTSTRAP": connection.bootstrap,
        "GEBUS_REGISTRY": f"https://127.0.0.1:{wire.port}",
        "GEBUS_CA_FILE": str(connection.ca_file),
        "GEBUS_PASSWORD": connection.password.get_secret_value(),
    }


def newer(bed: Bed, field: str) -> Encoder:
    """Another version of the event schema, registered only now; `bed` goes on with the one before."""
    schema = json.loads(json.dumps(bed.encoder.schema))
    schema["fields"].append(
        {
            "name": field, "type": ["null", "string"], "default": None, "classification": 2, "identifies": "none",
            "mask": "null", "doc": "New.",
        }
    )  # fmt: skip
    with bed.stack.registry() as registry:
        return Encoder(schema, registry.register(f"{bed.contract}-value", json.dumps(schema)))


def test_a_schema_that_is_registered_later_is_learnt_without_a_restart(bed: Bed) -> None:
    with bed.worker() as running:
        running.wait_live()
        encoder = newer(bed, "extra")
        bed.publish([record("old", entity="e")])
        bed.publish_bytes(encoder.encode({**record("new", entity="e"), "extra": "more"}))
        bed.publish([record("old-again", entity="e")])
        wait_until(lambda: len(bed.ids("all")) == 3, "all three are delivered")
        assert running.said.count(f"waits at offset 1 for schema id {encoder.schema_id}") == 1
    assert bed.ids("all") == ["old", "new", "old-again"]


def test_while_the_registry_is_down_only_what_it_must_tell_waits(bed: Bed, wire: Wire) -> None:
    with _environment(bed, wire) as environment, bed.worker(**environment) as running:
        running.wait_live()
        encoder = newer(bed, "extra")
        wire.cut()
        bed.publish_bytes(encoder.encode({**record("new", entity="e"), "extra": "more"}))
        running.wait_for(f"schema id {encoder.schema_id} of {bed.contract} is not known")
        bed.publish([record(f"old-{number}", entity=f"k{number}") for number in range(40)])
        bed.publish([record("behind", entity="e")])
        wait_until(lambda: len(bed.ids("all")) >= 20, "what needs no registry is delivered")
        assert not {"new", "behind"} & set(bed.ids("all"))
        assert 'gebus_blocked_partitions{reason="unknown_schema"' in running.metrics()
        wire.mend()
        wait_until(lambda: len(bed.ids("all")) == 42, "all are delivered once the registry answers")
    ids = bed.ids("all")
    assert ids.index("new") < ids.index("behind")
    assert bed.dead() == []


def test_a_schema_of_another_subject_makes_dead_letters(bed: Bed) -> None:
    foreign = {"type": "record", "name": "Foreign", "namespace": f"gebus.{bed.domain}", "fields": []}
    with bed.stack.registry() as registry:
        schema_id = registry.register(f"{bed.domain}.foreign-value", json.dumps(foreign))
    with bed.worker() as running:
        running.wait_live()
        bed.publish_bytes(b"\x00" + schema_id.to_bytes(4, "big"))
        bed.publish([record("after", entity="e")])
        wait_until(lambda: bed.ids("all") == ["after"], "the record behind it is delivered")
    assert [letter.reason for letter in bed.dead()] == ["foreign_schema"]
