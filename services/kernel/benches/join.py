"""What a join costs the kernel: nanoseconds an event, the clients left out.

    .venv/bin/python services/kernel/benches/join.py [--events 200000] [--matches each-pair]

Two streams of about 200 bytes, of which half have a partner; or, with `--matches latest`, a stream and a table of a
tenth of its size. Real `confluent_kafka.Message` objects, in the order of their append times.
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import time
from typing import Any

import fastavro
from confluent_kafka import Message
from gebus_kernel import Kernel

NOW = 1_580_601_600_000
DAY = 86_400_000
STAMP = {"type": "long", "logicalType": "timestamp-millis"}
ENVELOPE: dict[str, Any] = {
    "event_id": "string",
    "entity_id": "string",
    "revision": "long",
    "status": "string",
    "occurred_at": STAMP,
    "published_at": STAMP,
    "source": "string",
    "region": "string",
}
ORDER = ENVELOPE | {"order_id": "string", "product": "string", "address": "string", "price_cents": "long"}
DELIVERY = ENVELOPE | {"order_id": "string", "courier": "string", "note": ["null", "string"], "minutes": "long"}


def record(name: str, types: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in types.items()]}


def source(name: str, types: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "contract": name,
        "internal": False,
        "topics": {f"{name}.jd": "jd"},
        "schema": record("Event", types),
        "key": ["order_id"],
        "past_ms": NOW,
        "future_ms": NOW,
        "in_a_row": 100,
        "ratio": 0.5,
    }


def plan(matches: str, *, follow: bool) -> str:
    kept = {alias: list(types) for alias, types in (("order", ORDER), ("delivery", DELIVERY))}
    sides = [record("Order", ORDER) | {"name": "OrderSide"}, record("Delivery", DELIVERY) | {"name": "DeliverySide"}]
    composite = record("Composite", ENVELOPE | dict(zip(kept, sides, strict=True)))
    picked = [("order", "order_id"), ("order", "product"), ("order", "price_cents"), ("delivery", "courier")]
    types = {"order": ORDER, "delivery": DELIVERY}
    fields = [
        *({"name": name, "path": [name], "type": kind, "mask": None} for name, kind in ENVELOPE.items()),
        *({"name": key, "path": [side, key], "type": types[side][key], "mask": None} for side, key in picked),
    ]
    join = {
        "kind": "join",
        "name": "same-order",
        "state": "cdc/arrivals.same-order",
        "left": {"source": 0, "alias": "order", "steps": [], "fields": kept["order"]},
        "right": {"source": 1, "alias": "delivery", "steps": [], "fields": kept["delivery"]},
        "on": ["order_id"],
        "within_ms": 14 * DAY,
        "matches": matches,
        "unmatched": "wait",
        "broadcast": "none",
        "most": 1000,
        "follow": follow,
        "schema": composite,
    }
    feed = {
        "name": "cdc/arrivals",
        "topic": "feed.cdc.arrivals",
        "grant_expires_ms": NOW * 2,
        "source": None,
        "relation": join,
        "steps": [],
        "follow_ms": 14 * DAY if follow else None,
        "mode": "any",
        "select": {"name": "arrival", "fields": fields},
    }
    return json.dumps(
        {
            "lane": "delivery-order",
            "partitions": 4,
            "ordered": True,
            "sources": [source("order", ORDER), source("delivery", DELIVERY)],
            "tables": [],
            "rekeys": [],
            "feeds": [feed],
        }
    )


def content(name: str, number: int, key: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_id": f"{name}-{number:012d}",
        "entity_id": f"{name}-{key:09d}",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": NOW + number,
        "published_at": NOW + number,
        "source": "jd",
        "region": "420106",
        "order_id": f"order-{key:012d}",
    }
    if name == "order":
        return event | {"product": "KN95 mask box of 50", "address": "x" * 50, "price_cents": 2500}
    return event | {"courier": f"courier-{key % 5000:09d}", "note": "y" * 50, "minutes": 30}


def message(name: str, number: int, key: int) -> Message:
    event = content(name, number, key)
    written = io.BytesIO()
    written.write(b"\0" + struct.pack(">I", 1))
    fastavro.schemaless_writer(written, SCHEMAS[name], event)
    return Message(
        topic=f"{name}.jd",
        partition=key % 4,
        offset=number,
        key=event["order_id"].encode(),
        value=written.getvalue(),
        timestamp=(2, NOW + number // 500),
    )


SCHEMAS: dict[str, Any] = {
    "order": fastavro.parse_schema(record("Event", ORDER)),
    "delivery": fastavro.parse_schema(record("Event", DELIVERY)),
}


def event_of(number: int, matches: str) -> Message:
    """The number-th event: of two streams in turn, or every eleventh a row of the table."""
    if matches == "each-pair":
        pair, right = divmod(number, 2)
        # Half of the deliveries are of an order that came a while ago, the others of none.
        return (
            message("delivery", number, pair - 500 if pair % 2 else pair + 10**9)
            if right
            else message("order", number, pair)
        )
    if number % 11 == 0:
        return message("delivery", number, number // 11)
    return message("order", number, number // 22 if number % 2 else number + 10**9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--matches", default="each-pair")
    parser.add_argument("--follow", action="store_true")
    options = parser.parse_args()
    kernel = Kernel([plan(options.matches, follow=options.follow)])
    for name, types in (("order", ORDER), ("delivery", DELIVERY)):
        kernel.add_writer_schema(name, 1, json.dumps(record("Event", types)))
    kernel.set_feed_schema("cdc/arrivals", 2)
    for number in range(4):
        kernel.open("delivery-order", number)
    spent = state_spent = 0.0
    events = delivered = written = 0
    for first in range(0, options.events, options.batch):
        batch = [event_of(number, options.matches) for number in range(first, first + options.batch)]
        begin = time.process_time()
        step = kernel.step(batch)
        spent += time.process_time() - begin
        events += step.count
        delivered += sum(len(outputs) for _, outputs in step.outputs)
        del step
        begin = time.process_time()
        written += sum(len(value) for *_, value in kernel.state())
        kernel.commit(NOW)
        state_spent += time.process_time() - begin
    entries = sum(row[3] for row in kernel.state_size())
    size = sum(row[4] for row in kernel.state_size())
    print(f"{events} events, {delivered} delivered, {options.matches}, batches of {options.batch}")
    print(f"step {spent / events * 1e9:.0f} ns an event, {events / spent:,.0f} events/s")
    print(f"state and commit {state_spent / events * 1e9:.0f} ns, {written / events:.0f} bytes an event")
    print(f"{entries} entries, {size / entries:.0f} bytes an entry")


if __name__ == "__main__":
    main()
