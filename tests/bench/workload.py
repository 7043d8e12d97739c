"""Workload W1: price reports, a tenth of them repeats; and, naively, what a right system makes of them."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro

CATALOGUE = Path(__file__).parent / "schemas"
SCHEMA: dict[str, Any] = json.loads((CATALOGUE / "events/market/PriceReport.avsc").read_text("utf-8"))
PUBLISHER = "pingtai"
SOURCE, SOURCE_SUBJECT = f"market.price_report.{PUBLISHER}", "market.price_report-value"
FEED, FEED_SUBJECT = "feed.shichang.dear-masks", "feed.shichang.dear-masks-value"
PARTITIONS = 4

_PARSED = fastavro.parse_schema(SCHEMA)
_REPEATS_REACH_BACK = 1_000
_FIRST_INSTANT = 1_785_000_000_000

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a system made of the events: repeats removed, records delivered, and a digest of those in any order."""

    repeats: int
    outputs: int
    digest: str


class Digest:
    """A digest of a collection of records that does not depend on their order, but on each one's number."""

    def __init__(self) -> None:
        self._sum = 0
        self.count = 0

    def add(self, key: bytes, value: bytes) -> None:
        framed = len(key).to_bytes(4, "big") + key + value
        self._sum += int.from_bytes(hashlib.blake2b(framed, digest_size=16).digest(), "big")
        self.count += 1

    def hex(self) -> str:
        return f"{self._sum % (1 << 128):032x}"


def reports(events: int, seed: int = 1) -> Iterator[Report]:
    """So many reports; about a tenth repeat, byte for byte, one of the thousand before them."""
    draw = random.Random(seed)
    regions = [f"{code:06d}" for code in draw.sample(range(110_000, 659_000), 400)]
    for position in range(events):
        repeat = position > _REPEATS_REACH_BACK and draw.random() < 0.1
        number = draw.randrange(position - _REPEATS_REACH_BACK, position) if repeat else position
        yield {
            "event_id": f"evt-{number:012d}",
            "entity_id": f"sku-{number * 7919 % 100_000:08d}",
            "revision": 0,
            "status": "ASSERTED",
            "occurred_at": _FIRST_INSTANT + number,
            "published_at": _FIRST_INSTANT + number + 40,
            "source": PUBLISHER,
            "region": regions[number % 400],
            "product": "KN95 mask box of 50",
            "category": "MASK" if number % 3 else "FOOD",
            "price_cents": 1000 + number % 5000,
            "baseline_cents": 2000,
            "reporter_name": "张三",
            "reporter_phone": f"138{number % 100_000_000:08d}",
            "url": f"https://item.example/{number}",
        }


def encode(report: Report, schema_id: int) -> bytes:
    """The record on the wire: 0x00, the schema's id, Avro."""
    buffer = io.BytesIO()
    buffer.write(b"\0" + struct.pack(">I", schema_id))
    fastavro.schemaless_writer(buffer, _PARSED, report)
    return buffer.getvalue()


def plain(schema: Any) -> Any:
    """The schema without logical types: the same bytes, and no system makes dates that W1 does not ask for."""
    if isinstance(schema, dict):
        return {name: plain(value) for name, value in schema.items() if name != "logicalType"}
    return [plain(part) for part in schema] if isinstance(schema, list) else schema


def key_of(report: Report) -> bytes:
    return str(report["entity_id"]).encode()


class Oracle:
    """W1 done plainly, an event at a time: what every system is held against."""

    def __init__(self, feed_schema_id: int) -> None:
        self._schema_id = feed_schema_id
        self._seen: set[str] = set()
        self._repeats = 0
        self._digest = Digest()

    def take(self, report: Report) -> None:
        if report["event_id"] in self._seen:
            self._repeats += 1
            return
        self._seen.add(report["event_id"])
        if report["category"] == "MASK" and report["price_cents"] > 2000:
            delivered = {**report, "reporter_name": None, "reporter_phone": None}
            self._digest.add(key_of(report), encode(delivered, self._schema_id))

    def outcome(self) -> Outcome:
        return Outcome(self._repeats, self._digest.count, self._digest.hex())
