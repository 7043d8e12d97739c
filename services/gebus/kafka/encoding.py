"""The wire form of an event: a key of readable text, and 0x00, the schema's id in four bytes, Avro."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro

from gebus.kafka.registry import Registry
from gebus.model.errors import EventRefused, NotFound
from gebus.model.event import EventSchema
from gebus.model.key import encode_key
from gebus.model.topic import TopicContract

MAGIC = b"\x00"
HEADER_BYTES = 5
LARGEST_EVENT = 1_000_000
"""A little below the 1 MiB that brokers and the kernel take, so that batch and header still fit around it."""


def registered_id(registry: Registry, contract: TopicContract, schema: EventSchema) -> int:
    """The registry's id of exactly this schema, whichever version of the subject it is."""
    wanted = json.loads(json.dumps(schema.avro))
    try:
        versions = registry.versions(contract.subject)
    except NotFound:
        versions = []
    for number in reversed(versions):
        version = registry.version(contract.subject, number)
        if json.loads(version.schema) == wanted:
            return version.id
    raise NotFound(
        f"the registry has no version of {contract.subject} that is the schema of this catalogue "
        f"({len(versions)} others); run `gebus apply`, or take the catalogue that was applied"
    )


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as Kafka stores it."""

    key: bytes
    value: bytes

    @property
    def size(self) -> int:
        return len(self.key) + len(self.value)


class EventEncoder:
    """Encodes the events of one topic contract. An event has passed the validator before."""

    def __init__(self, contract: TopicContract, schema: EventSchema, schema_id: int) -> None:
        self._topic = contract.topic
        self._key = contract.key
        self._schema: Any = fastavro.parse_schema(json.loads(json.dumps(schema.avro)))
        self._header = MAGIC + schema_id.to_bytes(4, "big")

    def encode(self, event: Mapping[str, Any]) -> Encoded:
        """Key and value; EventRefused if they are larger than the bus takes."""
        buffer = io.BytesIO()
        buffer.write(self._header)
        fastavro.schemaless_writer(buffer, self._schema, event)
        encoded = Encoded(encode_key([event[name] for name in self._key]), buffer.getvalue())
        if encoded.size > LARGEST_EVENT:
            found, allowed = f"{encoded.size} bytes of key and Avro", f"at most {LARGEST_EVENT}; send a reference"
            raise EventRefused(self._topic, "the event", found, allowed)
        return encoded
