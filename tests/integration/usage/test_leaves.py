"""On the real Kafka: what is delivered is under a leaf and in usage, and without leaves nothing is delivered."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from kafka.errors import KafkaError
from tests.integration.lanes.kit import Bed, record, wait_until

from gebus.kafka.admin import Acl, Admin
from gebus.kafka.edge import open_consumer, open_producer
from gebus.model.leaf import LEAF_TOPIC, LEDGER_PRINCIPAL, USAGE_PRINCIPAL, Message
from gebus.testing.oracle_leaf import entry, head
from gebus.usage import day_of

WRITE = Acl("gebus-lanes", "topic", "literal", LEAF_TOPIC, "write")


def delivered(bed: Bed) -> Counter[tuple[str, bytes]]:
    """Every record that the feeds hold, as the ledger must have it."""
    found: Counter[tuple[str, bytes]] = Counter()
    for feed in bed.plan.feeds:
        for message in bed.read(feed.topic):
            found[feed.name, entry(message.key(), message.value(), message.key().decode())] += 1
    return found


def leaves(bed: Bed) -> list[Message]:
    """The committed leaves of the bed's feeds."""
    own = {feed.name for feed in bed.plan.feeds}
    found = [Message.decode(message.value(), "a test") for message in bed.read(LEAF_TOPIC)]
    return [one for one in found if one.leaf.feed in own]


def proven(bed: Bed) -> Counter[tuple[str, bytes]]:
    found: Counter[tuple[str, bytes]] = Counter()
    for one in leaves(bed):
        parts = list(one)
        assert one.leaf.root == head([digest for _, digest in parts]).hex()
        found.update((one.leaf.feed, tag + digest) for tag, digest in parts)
    return found


def usage(bed: Bed, *options: str) -> list[dict[str, Any]]:
    done = bed.gebus("usage", "--by", "feed", "--json", *options)
    assert done.exit_code == 0, done.output
    rows: list[dict[str, Any]] = json.loads(done.output)
    own = {feed.name for feed in bed.plan.feeds}
    return [row for row in rows if row["feed"] in own]


def stated(bed: Bed) -> dict[str, int]:
    """The same by the statements of the feeds' consumers, as their lines say it."""
    found: dict[str, int] = {}
    month = f"{day_of(round(time.time() * 1000)):%Y-%m}"
    for feed in bed.plan.feeds:
        done = bed.gebus("statement", feed.consumer, month, "--json")
        assert done.exit_code == 0, done.output
        for line in json.loads(done.output)["lines"]:
            name = line["grant"].partition("#")[0]
            if name == feed.name:
                found[name] = found.get(name, 0) + line["records"]
    return found


def records(count: int, begin: int = 0) -> list[dict[str, Any]]:
    return [record(f"e-{number}", entity=f"e{number % 7}") for number in range(begin, begin + count)]


def test_over_kills_every_delivery_is_under_a_leaf_and_in_usage(bed: Bed) -> None:
    bed.publish(records(300))
    for number, point in enumerate(("after_produce", "after_offsets", "after_commit"), 1):
        with bed.worker(GEBUS_CRASH_AT=point, GEBUS_CRASH_COUNT="1") as running:
            running.process.wait(60)
            assert running.process.returncode == -9, running.said
        bed.publish(records(300, 300 * number))
    with bed.worker() as running:
        wait_until(lambda: bed.taken() == 1200, "every record is taken")
        running.stop()
    expected = delivered(bed)
    assert sum(expected.values()) > 1200
    assert proven(bed) == expected
    rows = {row["feed"]: row for row in usage(bed)}
    assert {feed: row["records"] for feed, row in rows.items()} == Counter(feed for feed, _ in expected.elements())
    assert sum(row["leaves"] for row in rows.values()) == len(leaves(bed))
    assert usage(bed, "--anew") == list(rows.values())
    assert stated(bed) == {feed: row["records"] for feed, row in rows.items()}


def test_while_no_leaf_can_be_written_nothing_is_delivered_and_then_all_is(bed: Bed) -> None:
    with Admin(bed.stack.connection()) as admin, bed.worker() as running:
        bed.publish(records(10))
        wait_until(lambda: bed.taken() == 10, "the first are taken")
        admin.delete_acls([WRITE])
        try:
            bed.publish(records(10, 10))
            running.wait_for("until then nothing is delivered, and nothing lost", times=2)
            assert bed.taken() == 10
            assert len(bed.ids("all")) == 10
        finally:
            admin.create_acls([WRITE])
        wait_until(lambda: bed.taken() == 20, "the rest is taken")
        running.stop()
    assert len(bed.ids("all")) == 20
    assert proven(bed) == delivered(bed)


def test_lanes_alone_write_leaves_and_ledger_and_usage_alone_read_them(bed: Bed) -> None:
    for principal in (LEDGER_PRINCIPAL, USAGE_PRINCIPAL):
        reader = open_consumer(bed.stack.connection(principal), topics=(), group=None)
        assert reader.partitions_for_topic(LEAF_TOPIC) == {0}
        reader.close()
        with (
            closing(open_producer(bed.stack.connection(principal))) as producer,
            pytest.raises(KafkaError, match="Authorization"),
        ):
            producer.send(LEAF_TOPIC, b"no leaf").get(15)
    reader = open_consumer(bed.stack.connection("ditu"))
    assert not reader.partitions_for_topic(LEAF_TOPIC)
    reader.close()
