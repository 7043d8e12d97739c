"""What a lane reads, without a broker: messages that look like confluent_kafka's, and a log that keeps them."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import fastavro
from kafka.partitioner.default import murmur2

from gebus.model.event import AvroType
from gebus.model.key import encode_key

LOG_APPEND_TIME = 2
"""confluent_kafka's TIMESTAMP_LOG_APPEND_TIME."""


@dataclass(frozen=True, slots=True)
class FakeMessage:
    """One record of a Kafka topic. Its methods are those of confluent_kafka.Message that the kernel calls."""

    at_topic: str
    at_partition: int
    at_offset: int
    key_bytes: bytes | None = field(repr=False)
    value_bytes: bytes | None = field(repr=False)
    appended_ms: int

    def topic(self) -> str:
        return self.at_topic

    def partition(self) -> int:
        return self.at_partition

    def offset(self) -> int:
        return self.at_offset

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.value_bytes

    def timestamp(self) -> tuple[int, int]:
        return LOG_APPEND_TIME, self.appended_ms

    def error(self) -> None:
        return None


class Log:
    """The topics of a broker: every record has the next offset of its partition.

    Promised: what a broker says of order and offsets. Not promised: transactions, retention, any failure.
    """

    def __init__(self, partitions: Mapping[str, int]) -> None:
        """How many partitions each topic has."""
        self.partitions = partitions
        self.messages: list[FakeMessage] = []
        self._ends: dict[tuple[str, int], int] = {}

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, at_ms: int, partition: int | None = None
    ) -> FakeMessage:
        """Store a record where its key belongs, or in `partition`."""
        if partition is None:
            partition = (murmur2(key or b"") & 0x7FFFFFFF) % self.partitions[topic]
        offset = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = offset + 1
        message = FakeMessage(topic, partition, offset, key, value, at_ms)
        self.messages.append(message)
        return message


def raw(schema: AvroType) -> AvroType:
    """The schema without logical types: instants and dates are the integers that they are, over their whole range."""
    if isinstance(schema, list):
        return [raw(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: value for key, value in schema.items() if key not in ("logicalType", "precision", "scale")}
    for part in ("type", "items", "values"):
        if part in plain:
            plain[part] = raw(plain[part])
    if "fields" in plain:
        plain["fields"] = [{**field, "type": raw(field["type"])} for field in plain["fields"]]
    return plain


class Encoder:
    """Records of one schema to bytes on the wire, and back, by fastavro.

    Written are instants, dates and decimals or what Avro holds instead of them; read is what Avro holds, see `raw`.
    """

    def __init__(self, schema: AvroType, schema_id: int) -> None:
        self.schema_id = schema_id
        self.schema = schema
        self._schema = fastavro.parse_schema(schema)
        self._raw = fastavro.parse_schema(raw(schema))

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """0x00, the schema's id in 4 bytes, then the record in Avro; ValueError where the record does not fit."""
        body = io.BytesIO()
        try:
            fastavro.schemaless_writer(body, self._schema, dict(record), strict_allow_default=True)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"the record does not fit its schema: {error}") from error
        return struct.pack(">bI", 0, self.schema_id) + body.getvalue()

    def decode(self, value: bytes) -> dict[str, Any]:
        """The record; AssertionError where the bytes are of another schema or do not end with the record."""
        if value[:5] != struct.pack(">bI", 0, self.schema_id):
            raise AssertionError(f"the value begins with {value[:5].hex()}, not with schema id {self.schema_id}")
        body = io.BytesIO(value[5:])
        record: Any = fastavro.schemaless_reader(body, self._raw, None)
        if body.read():
            raise AssertionError("bytes follow the record")
        return dict(record)


def key_of(record: Mapping[str, Any], fields: tuple[str, ...]) -> bytes:
    """The Kafka key that the contract asks of a record."""
    return encode_key([record[name] for name in fields])
