"""A small bus for connectors to be tried on: the catalogue beside this file, on the session's stack, without lanes."""

from __future__ import annotations

import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from gebus.catalogue import load
from gebus.kafka import Connection
from gebus.kafka.admin import Acl, Topic
from gebus.model.catalogue import Catalogue

CATALOGUE = Path(__file__).parent / "catalogue"
TOPIC = "market.price_report"
PUBLISHER, CONSUMER, STRANGER = "shop", "watch", "press"
FEED = "dear-masks"
FEED_SCHEMA = {
    "type": "record",
    "name": "Evidence",
    "namespace": "feed.watch",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "number", "type": "long"},
        {"name": "seen_on", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
    ],
}


def wait_until(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Wait for a condition; AssertionError if it does not come."""
    pause, end = threading.Event(), time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"did not come within {timeout} s"
        pause.wait(0.02)


def event(number: int, **changes: Any) -> dict[str, Any]:
    """An event that passes; its key takes one of seven values."""
    return {
        "event_id": f"e-{number}",
        "entity_id": f"k-{number % 7}",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": 1_580_515_200_000 + number,
        "region": "420100",
        "product": "口罩",
        "category": "MASK",
        "price": Decimal("12.50"),
        "stock": number,
        "sellers": [{"name": "甲", "sold": number}],
        **changes,
    }


@dataclass(frozen=True)
class Written:
    """A record as it lies in the log."""

    partition: int
    offset: int
    key: bytes
    value: bytes

    def event(self, catalogue: Catalogue) -> dict[str, Any]:
        avro = json.loads(json.dumps(catalogue.events[TOPIC].avro))
        decoded: Any = fastavro.schemaless_reader(io.BytesIO(self.value[5:]), fastavro.parse_schema(avro), None)
        return dict(decoded)


class Bus:
    """What the connectors of one test module publish to and read from."""

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        self.catalogue = load(CATALOGUE)
        contract, feeds = self.catalogue.topics[TOPIC], self.catalogue.feeds.values()
        rights: dict[str, list[Acl]] = {party: [] for party in self.catalogue.parties}
        for party in contract.publishers:
            topic = contract.kafka_topic(party)
            rights[party] += [Acl(party, "topic", "literal", topic, right) for right in ("write", "describe")]
        for feed in feeds:
            topic, party = feed.kafka_topic, feed.consumer
            rights[party] += [Acl(party, "topic", "literal", topic, right) for right in ("read", "describe")]
            rights[party].append(Acl(party, "group", "prefixed", f"{party}.", "read"))
        for party, acls in rights.items():
            stack.add_principal(party, *acls)
        with stack.registry() as registry:
            registry.register(contract.subject, json.dumps(self.catalogue.events[TOPIC].avro))
            self.feed_schema_id = registry.register(f"feed.{CONSUMER}.{FEED}-value", json.dumps(FEED_SCHEMA))
        self._topics = [Topic(contract.kafka_topic(party), contract.partitions) for party in contract.publishers]
        self._topics += [Topic(feed.kafka_topic, feed.partitions) for feed in feeds]

    def empty(self) -> None:
        """Begin with topics that hold nothing."""
        there = self._stack.admin.topics()
        self._stack.admin.delete_topics([topic.name for topic in self._topics if topic.name in there])
        wait_until(lambda: not {topic.name for topic in self._topics} & set(self._stack.admin.topics()))
        self._stack.admin.create_topics(self._topics)

    def connection(self, party: str) -> Connection:
        connection: Connection = self._stack.connection(party)
        return connection

    @property
    def source_topic(self) -> str:
        return f"{TOPIC}.{PUBLISHER}"

    @property
    def feed_topic(self) -> str:
        return f"feed.{CONSUMER}.{FEED}"

    def written(self) -> list[Written]:
        """Everything that the publisher's topic holds, partition by partition."""
        ends = self._stack.admin.ends([self.source_topic])
        consumer = KafkaConsumer(**self._stack.connection().for_kafka_python(), isolation_level="read_committed")
        try:
            places = [TopicPartition(*place) for place in ends]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            found: list[Written] = []
            while any(consumer.position(place) < ends[place] for place in places):
                for records in consumer.poll(1000).values():
                    found += [Written(row.partition, row.offset, row.key, row.value) for row in records]
        finally:
            consumer.close()
        return sorted(found, key=lambda row: (row.partition, row.offset))

    def feed_value(self, number: int, **changes: Any) -> bytes:
        record = {"event_id": f"e-{number}", "occurred_at": 1_580_515_200_000 + number, "number": number, **changes}
        buffer = io.BytesIO()
        buffer.write(b"\x00" + self.feed_schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(FEED_SCHEMA), record)
        return buffer.getvalue()

    @contextmanager
    def delivering(self) -> Iterator[Callable[[Mapping[int, Sequence[bytes]]], None]]:
        """What a lane does: each call delivers values to partitions of the feed, in one transaction."""
        producer = KafkaProducer(
            **self._stack.connection().for_kafka_python(),
            transactional_id=f"gebus.contract.{uuid.uuid4()}",
            transaction_timeout_ms=10_000,
        )
        producer.init_transactions()

        def deliver(values: Mapping[int, Sequence[bytes]], *, abort: bool = False) -> None:
            producer.begin_transaction()
            for partition, batch in values.items():
                for value in batch:
                    producer.send(self.feed_topic, value, partition=partition)
            producer.flush()
            producer.abort_transaction() if abort else producer.commit_transaction()

        try:
            yield deliver
        finally:
            producer.close()
