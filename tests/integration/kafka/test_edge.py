"""The clients of the edge on the real broker: what they promise, and who is refused what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from pydantic import SecretStr
from tests.running_stack import RunningStack, wait_until

from gebus.kafka import Connection
from gebus.kafka.admin import Acl, Topic
from gebus.kafka.edge import close_producer, open_consumer, open_producer
from gebus.kafka.errors import in_our_words
from gebus.model.errors import Denied, Unavailable

TOPIC = "edge.topic"


@pytest.fixture(scope="module")
def party(stack: RunningStack) -> Connection:
    """May write and read the topic, in groups of its own name."""
    stack.admin.create_topics([Topic(TOPIC, 3), Topic("edge.other", 1)])
    return stack.add_principal(
        "edge-party",
        Acl("edge-party", "topic", "literal", TOPIC, "write"),
        Acl("edge-party", "topic", "literal", TOPIC, "read"),
        Acl("edge-party", "group", "prefixed", "edge-party.", "read"),
    )


@pytest.fixture
def producer(party: Connection) -> Iterator[KafkaProducer]:
    producer = open_producer(party)
    yield producer
    close_producer(producer)


def polled(consumer: KafkaConsumer) -> list[bytes]:
    return [record.value for records in consumer.poll(500).values() for record in records]


def test_what_is_published_is_read_in_the_order_of_its_key(party: Connection, producer: KafkaProducer) -> None:
    sent = [b"%d" % number for number in range(300)]
    promised = [producer.send(TOPIC, key=b"one key", value=value) for value in sent]
    receipts = [promise.get(10) for promise in promised]
    assert len({receipt.partition for receipt in receipts}) == 1
    consumer = open_consumer(party, "edge-party.order", [TOPIC])
    read: list[bytes] = []
    wait_until(lambda: read.extend(polled(consumer)) or len(read) >= len(sent))
    consumer.close()
    assert read == sent


def test_the_partition_is_murmur2_of_the_key(producer: KafkaProducer) -> None:
    # What Kafka's own producer and librdkafka's murmur2 choose for these keys of three partitions.
    chosen = {key: producer.send(TOPIC, key=key, value=b"x").get(10).partition for key in (b"a", b"b", b"c", b"d")}
    assert chosen == {key: (murmur2(key) & 0x7FFFFFFF) % 3 for key in chosen}


def murmur2(data: bytes) -> int:
    """Austin Appleby's MurmurHash2 with Kafka's seed, written from its description."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_writing_a_topic_of_another_party_is_denied(party: Connection, producer: KafkaProducer) -> None:
    with pytest.raises(TopicAuthorizationFailedError) as caught:
        producer.send("edge.other", b"x").get(10)
    assert isinstance(in_our_words(caught.value, party, "writing"), Denied)


def test_reading_a_topic_of_another_party_is_denied(party: Connection) -> None:
    with pytest.raises(Denied, match=r"edge-party may not read edge\.other of Kafka .*, or it is not there"):
        open_consumer(party, "edge-party.a", [TOPIC, "edge.other"])


def test_the_group_of_another_party_is_denied(party: Connection) -> None:
    error = refusal_of(party, "other-party.a", TOPIC)
    assert isinstance(error, GroupAuthorizationFailedError)
    assert isinstance(in_our_words(error, party, "reading"), Denied)


def refusal_of(connection: Connection, group: str, topic: str) -> KafkaError:
    consumer = open_consumer(connection, group, [topic])
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            consumer.poll(500)
    except KafkaError as error:
        return error
    finally:
        consumer.close()
    raise AssertionError("nothing was refused within 10 s")


@pytest.mark.parametrize("opened", [open_producer, open_consumer])
def test_a_wrong_password_is_denied_within_the_bound(party: Connection, opened) -> None:
    began = time.monotonic()
    with pytest.raises(Denied, match=r"refused to log in edge-party: .*check the secret"):
        opened(replace(party, password=SecretStr("wrong")))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("opened", [open_producer, open_consumer])
def test_a_broker_that_is_down_is_unavailable_within_the_bound(party: Connection, opened) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer"):
        opened(replace(party, bootstrap="127.0.0.1:1"))
    assert time.monotonic() - began < 10


def test_a_delivery_timeout_bounds_what_is_never_answered(party: Connection) -> None:
    producer = open_producer(party, delivery_timeout=timedelta(seconds=5))
    assert producer.config["delivery_timeout_ms"] == 5000
    close_producer(producer)
    close_producer(producer)
