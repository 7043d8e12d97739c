"""Workload W1: price reports, a tenth of them repeats; and, naively, what a right system makes of them."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterator
from typing import Any

import fastavro
from tests.bench.digest import Digest, Outcome
from tests.bench.source import FIRST_INSTANT, PUBLISHER, SCHEMAS, Chunk, Latest, Source, Target, schema_of, topics
from tests.bench.template import plain, wire_header

CATALOGUE = SCHEMAS / "w1"
CONTRACT = "market.price_report"
FEED = "feed.shichang.dear-masks"
SCHEMA = schema_of(CATALOGUE, "market/PriceReport")

_PARSED = fastavro.parse_schema(SCHEMA)
_REPEATS_REACH_BACK = 1_000
_CHUNK = 10_000

Report = dict[str, Any]


def regions(draw: random.Random) -> list[str]:
    """The divisions from which reports come."""
    return [f"{code:06d}" for code in draw.sample(range(110_000, 659_000), 400)]


def reports(events: int, seed: int = 1) -> Iterator[Report]:
    """So many reports; about a tenth repeat, byte for byte, one of the thousand before them."""
    draw = random.Random(seed)
    places = regions(draw)
    for position in range(events):
        repeat = position > _REPEATS_REACH_BACK and draw.random() < 0.1
        number = draw.randrange(position - _REPEATS_REACH_BACK, position) if repeat else position
        yield {
            "event_id": f"evt-{number:012d}",
            "entity_id": f"sku-{number * 7919 % 100_000:08d}",
            "revision": 0,
            "status": "ASSERTED",
            "occurred_at": FIRST_INSTANT + number,
            "published_at": FIRST_INSTANT + number + 40,
            "source": PUBLISHER,
            "region": places[number % 400],
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
    buffer.write(wire_header(schema_id))
    fastavro.schemaless_writer(buffer, _PARSED, report)
    return buffer.getvalue()


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
        return Outcome(self._digest.count, self._digest.hex(), self._repeats)


def fill(size: int, target: Target, latest: Latest, part: str = "") -> Source:
    """Publish the first `size` events of W1, and do W1 on them in the plainest way."""
    feed = latest(f"{FEED}-value")
    oracle, schema_id = Oracle(feed.id), latest(f"{CONTRACT}-value").id
    (topic,) = topics(target, [CONTRACT], part)

    def chunks() -> Iterator[Chunk]:
        rest = reports(size)
        while some := list(itertools.islice(rest, _CHUNK)):
            for report in some:
                oracle.take(report)
            yield topic, [key_of(report) for report in some], [encode(report, schema_id) for report in some]

    target.publish(chunks())
    return Source((topic,), size, oracle.outcome(), (plain(SCHEMA),), feed)
