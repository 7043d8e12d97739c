"""What the kernel costs: nanoseconds for each event of workload W1 (design 11), the clients left out.

    .venv/bin/python services/kernel/benches/step.py [--events 1000000] [--batch 10000] [--memory BYTES]

Real `confluent_kafka.Message` objects, a tenth of them repeats; deduplicate by id, keep masks dearer than 20 yuan,
blank two personal fields. Prints what an event costs in all, and the memory of a remembered key. With `--memory` what
is remembered beyond so many bytes goes to the disk, and the step's cost is that of asking there as well.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import fastavro
from confluent_kafka import Message
from gebus_kernel import Kernel

NOW = 1_580_601_600_000
TOPIC = "market.price_report.jd"
NULLABLE = ["null", "string"]
STAMP = {"type": "long", "logicalType": "timestamp-millis"}
TYPES: dict[str, Any] = {
    "event_id": "string",
    "entity_id": "string",
    "revision": "long",
    "status": "string",
    "occurred_at": STAMP,
    "published_at": STAMP,
    "source": "string",
    "region": "string",
    "platform": "string",
    "merchant_uscc": "string",
    "product": "string",
    "category": "string",
    "price_cents": "long",
    "baseline_cents": ["null", "long"],
    "reporter_name": NULLABLE,
    "reporter_phone": NULLABLE,
    "url": NULLABLE,
}
SCHEMA = {
    "type": "record",
    "name": "PriceReport",
    "fields": [{"name": name, "type": kind} for name, kind in TYPES.items()],
}


def source() -> dict[str, Any]:
    return {
        "name": "market.price_report",
        "contract": "market.price_report",
        "internal": False,
        "topics": {TOPIC: "jd"},
        "schema": SCHEMA,
        "key": ["entity_id"],
        "past_ms": NOW,
        "future_ms": NOW,
        "in_a_row": 100,
        "ratio": 0.5,
    }


def plan() -> str:
    """The lane plan of W1."""

    def call(op: str, *args: Any) -> dict[str, Any]:
        return {"op": op, "args": args}

    def field(name: str, kind: str) -> dict[str, Any]:
        return {"op": "field", "path": [name], "type": kind}

    masks = call("eq", field("category", "string"), {"op": "const", "type": "string", "value": "MASK"})
    dear = call("gt", field("price_cents", "int"), {"op": "const", "type": "int", "value": 2000})
    steps = [
        {"kind": "deduplicate", "name": "once", "table": 0},
        {"kind": "where", "name": "dear", "when": call("and", masks, dear)},
    ]
    blank = {"reporter_name", "reporter_phone"}
    fields = [
        {"name": name, "path": [name], "type": kind, "mask": {"kind": "null"} if name in blank else None}
        for name, kind in TYPES.items()
    ]
    feed = {
        "name": "cdc/dear-masks",
        "topic": "feed.cdc.dear-masks",
        "grant_expires_ms": NOW * 2,
        "source": 0,
        "relation": None,
        "follow_ms": None,
        "mode": "any",
        "steps": steps,
        "select": {"name": "evidence", "fields": fields},
    }
    return json.dumps(
        {
            "lane": "market.price_report",
            "partitions": 4,
            "ordered": False,
            "sources": [source()],
            "tables": [{"name": "event_id.14d", "source": 0, "key": ["event_id"], "window_ms": 14 * 86_400_000}],
            "rekeys": [],
            "feeds": [feed],
        }
    )


def batches(events: int, size: int) -> Iterator[Sequence[Message]]:
    """The messages of W1, made batch by batch."""
    seeded = random.Random(1)  # noqa: S311 - repeats, not secrets
    parsed = fastavro.parse_schema(SCHEMA)
    batch = []
    for number in range(events):
        repeat = number > 1000 and seeded.random() < 0.1
        batch.append(message(seeded.randrange(number - 1000, number) if repeat else number, parsed))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def message(number: int, parsed: Any) -> Message:
    record: dict[str, Any] = {
        "event_id": f"evt-{number:012d}",
        "entity_id": f"shop-{number % 5000}",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": NOW + number,
        "published_at": NOW + number,
        "source": "jd",
        "region": f"{110000 + number % 400 * 1000:06d}",
        "platform": "jd",
        "merchant_uscc": f"91{number % 100000:016d}",
        "product": "KN95 mask box of 50",
        "category": "MASK" if number % 3 else "FOOD",
        "price_cents": 1000 + number % 5000,
        "baseline_cents": 2000,
        "reporter_name": "张三",
        "reporter_phone": f"138{number:08d}",
        "url": f"https://item.example/{number}",
    }
    written = io.BytesIO()
    written.write(b"\0" + struct.pack(">I", 1))
    fastavro.schemaless_writer(written, parsed, record)
    key = record["entity_id"].encode()
    return Message(
        topic=TOPIC,
        partition=number // 500 % 4,
        offset=number,
        key=key,
        value=written.getvalue(),
        timestamp=(2, NOW + number // 500),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--memory", type=int, default=0)
    options = parser.parse_args()
    kernel = Kernel([plan()])
    kernel.add_writer_schema("market.price_report", 1, json.dumps(SCHEMA))
    kernel.set_feed_schema("cdc/dear-masks", 2)
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    if options.memory:
        kernel.spill_to(folder.name, 1 << 40, options.memory // 8)
    for slice_number in range(4):
        kernel.open("market.price_report", slice_number)
    spill_spent = 0.0
    spent = state_spent = 0.0
    events = delivered = 0
    for number, batch in enumerate(batches(options.events, options.batch)):
        begin = time.process_time()
        step = kernel.step(batch)
        spent += time.process_time() - begin
        events += step.count
        delivered += sum(len(outputs) for _, outputs in step.outputs)
        del step
        if number % 4 == 3:
            begin = time.process_time()
            kernel.state()
            kernel.commit(NOW)
            state_spent += time.process_time() - begin
            if options.memory and sum(row[4] for row in kernel.state_size()) > options.memory * 0.8:
                begin = time.process_time()
                kernel.spill(int(options.memory * 0.6))
                spill_spent += time.process_time() - begin
    entries = sum(row[3] for row in kernel.state_size())
    size = sum(row[4] for row in kernel.state_size())
    print(f"{events} events, {delivered} delivered, batches of {options.batch}")
    print(f"step {spent / events * 1e9:.0f} ns an event, {events / spent:,.0f} events/s")
    print(f"state and commit {state_spent / events * 1e9:.0f} ns an event")
    print(f"{entries} keys, {size / entries:.1f} bytes a key")
    if options.memory:
        disk = sum(row[3] for row in kernel.spilt())
        print(f"spill {spill_spent / events * 1e9:.0f} ns an event, {disk} bytes on the disk")


if __name__ == "__main__":
    main()
