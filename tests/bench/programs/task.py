"""What a peer is told, and what it reports; used by programs that know nothing else of this repository."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import fastavro


@dataclass(frozen=True)
class Task:
    """Read `source` as `group`, do W1, write to `output`; after `events` records write the counts to `report`."""

    bootstrap: str
    ca_file: str
    username: str
    password: str
    group: str
    sources: list[str]
    output: str
    events: int
    schemas: list[dict[str, Any]]
    feed_schema: dict[str, Any]
    feed_schema_id: int
    state: str
    report: str
    store: str

    @classmethod
    def read(cls, path: str) -> Task:
        return cls(**json.loads(Path(path).read_text("utf-8")))

    @property
    def source(self) -> str:
        return self.sources[0]

    def librdkafka(self) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_file,
        }


class Work:
    """The part of W1 that is the same for every Python peer: decode, keep dear masks, blank two fields, encode."""

    def __init__(self, task: Task) -> None:
        self._schema = fastavro.parse_schema(task.schemas[0])
        self._header = b"\0" + struct.pack(">I", task.feed_schema_id)
        self._task = task
        self._taken = 0
        self._repeats = 0
        self._outputs = 0

    def decode(self, value: bytes) -> dict[str, Any]:
        report: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._schema, None)
        return cast(dict[str, Any], report)

    def deliver(self, report: dict[str, Any]) -> bytes | None:
        """The record to write, or None where the condition does not hold."""
        if report["category"] != "MASK" or report["price_cents"] <= 2000:
            return None
        report["reporter_name"] = report["reporter_phone"] = None
        buffer = io.BytesIO()
        buffer.write(self._header)
        fastavro.schemaless_writer(buffer, self._schema, report)
        return buffer.getvalue()

    def count(self, *, repeat: bool, delivered: bool) -> bool:
        """Count one event; true if it was the last, and then the report is written."""
        self._taken += 1
        self._repeats += repeat
        self._outputs += delivered
        if self._taken != self._task.events:
            return False
        Path(self._task.report).write_text(json.dumps({"repeats": self._repeats, "outputs": self._outputs}))
        return True
