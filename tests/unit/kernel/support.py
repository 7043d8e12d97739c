"""What the kernel's tests share: a small contract, its records as fastavro writes them, messages from nowhere."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
from gebus_kernel import Kernel, Step

DAY = 86_400_000
NOW = 1_580_601_600_000
"""2020-02-02T00:00Z: the append time of every message that does not say another."""

ENVELOPE: list[dict[str, Any]] = [
    {"name": "event_id", "type": "string"},
    {"name": "entity_id", "type": "string"},
    {"name": "revision", "type": "long"},
    {"name": "status", "type": "string"},
    {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "published_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "source", "type": "string"},
    {"name": "region", "type": "string"},
]
FIELDS: list[dict[str, Any]] = [
    {"name": "category", "type": "string"},
    {"name": "price", "type": "long"},
    {"name": "phone", "type": ["null", "string"], "default": None},
]


def schema(*fields: Mapping[str, Any], name: str = "PriceReport") -> dict[str, Any]:
    """An event schema: the envelope, then these fields."""
    return {"type": "record", "name": name, "namespace": "market", "fields": [*ENVELOPE, *fields]}


SCHEMA = schema(*FIELDS)


def event(number: int = 0, /, **changes: Any) -> dict[str, Any]:
    """A good event of `SCHEMA`, with a few fields changed."""
    good = {
        "event_id": f"evt-{number:06d}",
        "entity_id": f"shop-{number}",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": NOW - 1000,
        "published_at": NOW - 500,
        "source": "jd",
        "region": "420106",
        "category": "MASK",
        "price": 2500,
        "phone": "13812345678",
    }
    return good | changes


def avro(record: Mapping[str, Any], written: Mapping[str, Any] = SCHEMA) -> bytes:
    """The Avro of a record, without a header."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(written)), record)
    return out.getvalue()


def header(schema_id: int = 1) -> bytes:
    return struct.pack(">bI", 0, schema_id)


@dataclass(frozen=True)
class Fake:
    """A message of librdkafka, as far as the kernel looks at one."""

    content: bytes | None
    kafka_key: bytes | None
    time: int = NOW
    kafka_topic: str = "market.price_report.jd"
    number: int = 0
    place: int = 0
    clock: int = 2

    def topic(self) -> str:
        return self.kafka_topic

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.place

    def key(self) -> bytes | None:
        return self.kafka_key

    def value(self) -> bytes | None:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return self.clock, self.time


def message(record: Mapping[str, Any], written: Mapping[str, Any] = SCHEMA, *, schema_id: int = 1, **more: Any) -> Fake:
    """The message of a record: keyed as the contract says."""
    return Fake(header(schema_id) + avro(record, written), record["entity_id"].encode(), **more)


@dataclass
class Feed:
    """One feed of a plan; without fields of its own it selects the whole event."""

    name: str = "cdc/masks"
    steps: Sequence[Mapping[str, Any]] = ()
    fields: Sequence[Mapping[str, Any]] | None = None
    expires: int = NOW + 365 * DAY
    follow: int | None = None

    def plan(self, source: Mapping[str, Any]) -> dict[str, Any]:
        fields = self.fields
        if fields is None:
            fields = [copied(item) for item in source["fields"]]
        select = {"name": "notice", "fields": list(fields)}
        topic = "feed." + self.name.replace("/", ".")
        return {
            "name": self.name,
            "topic": topic,
            "grant_expires_ms": self.expires,
            "source": 0,
            "relation": None,
            "steps": list(self.steps),
            "follow_ms": self.follow,
            "mode": "any",
            "tokens": {"period": "always", "hash": "sha-256"},
            "select": select,
        }


def copied(item: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A selected field that is the source's own."""
    return {"name": item["name"], "path": [item["name"]], "type": item["type"], "mask": None} | changes


ENVELOPE_COPIED = [copied(item) for item in ENVELOPE]
ONCE = {"kind": "deduplicate", "name": "once", "table": 0}


def where(condition: Mapping[str, Any], name: str = "near") -> dict[str, Any]:
    return {"kind": "where", "name": name, "when": condition}


def call(op: str, *args: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


def name(field_name: str, kind: str) -> dict[str, Any]:
    return {"op": "field", "path": field_name.split("."), "type": kind}


def const(value: Any) -> dict[str, Any]:
    kinds = {bool: "bool", int: "int", float: "double", str: "string", type(None): "null"}
    return {"op": "const", "type": kinds[type(value)], "value": value}


@dataclass
class Lane:
    """A lane plan, with good defaults for all that a test does not care about."""

    feeds: Sequence[Feed] = field(default_factory=lambda: [Feed()])
    source: Mapping[str, Any] = field(default_factory=lambda: SCHEMA)
    tables: Sequence[Mapping[str, Any]] = ()
    topics: Mapping[str, str] = field(
        default_factory=lambda: {"market.price_report.jd": "jd", "market.price_report.ali": "ali"}
    )
    key: Sequence[str] = ("entity_id",)
    past: int = 30 * DAY
    future: int = 3_600_000
    in_a_row: int = 1000
    ratio: float = 1.0
    ordered: bool = False
    rekeys: Sequence[Mapping[str, Any]] = ()

    def json(self) -> str:
        source = {
            "name": "market.price_report",
            "contract": "market.price_report",
            "internal": False,
            "topics": dict(self.topics),
            "schema": dict(self.source),
            "key": list(self.key),
            "past_ms": self.past,
            "future_ms": self.future,
            "in_a_row": self.in_a_row,
            "ratio": self.ratio,
        }
        feeds = [feed.plan(self.source) for feed in self.feeds]
        plan = {
            "lane": "market.price_report",
            "partitions": 4,
            "ordered": self.ordered,
            "sources": [source],
            "tables": list(self.tables),
            "rekeys": list(self.rekeys),
            "feeds": feeds,
        }
        return json.dumps(plan)

    def kernel(self, *slices: int) -> Kernel:
        """A kernel that is ready: the source's schema is number 1, slice 0 is open unless others are named."""
        kernel = Kernel([self.json()])
        kernel.add_writer_schema("market.price_report", 1, json.dumps(self.source))
        for number, feed in enumerate(self.feeds):
            kernel.set_feed_schema(feed.name, 100 + number)
            kernel.set_token_key(feed.name, f"secret of {feed.name}".encode())
        for rekey in self.rekeys:
            kernel.set_feed_schema(rekey["name"], 200)
        for slice_number in slices or (0,):
            kernel.open("market.price_report", slice_number)
        return kernel


SEEN = {"name": "event_id.14d", "source": 0, "key": ["event_id"], "window_ms": 14 * DAY}


def values(step: Step, topic: str = "feed.cdc.masks") -> list[bytes]:
    """The delivered values of one feed topic."""
    return [output["value"] for feed_topic, outputs in step.outputs if feed_topic == topic for output in outputs]


def records(step: Step, read: Mapping[str, Any] = SCHEMA, topic: str = "feed.cdc.masks") -> list[dict[str, Any]]:
    """The delivered records of one feed topic, as fastavro reads them."""
    parsed = fastavro.parse_schema(dict(read))
    found: list[dict[str, Any]] = []
    for value in values(step, topic):
        stream = io.BytesIO(value[5:])
        record: Any = fastavro.schemaless_reader(stream, parsed, None)
        found.append(record)
        assert stream.read() == b""
    return found


def dead(step: Step) -> list[tuple[int, str, str]]:
    return [(letter.index, letter.reason, letter.place) for letter in step.dead]
