"""The clients of lanes on the real broker: one transaction, the rights that bound it, and who is told what."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from pydantic import SecretStr

from gebus.kafka.admin import Acl, Topic
from gebus.kafka.edge import close_producer, open_producer
from gebus.kafka.lane_clients import GROUP, open_reader, require_answer
from gebus.kafka.lane_clients import open_consumer as open_lane_consumer
from gebus.kafka.lane_clients import open_producer as open_lane_producer
from gebus.model.errors import Denied, Unavailable

COUNT = 500
SLOT = 70  # far from the slots that workers of other tests take


@pytest.fixture(scope="module")
def topics(stack) -> tuple[str, str]:
    """A topic with records that lanes may read, and one that they may write."""
    source, feed = "lane-clients.source", "lane-clients.feed"
    stack.admin.create_topics([Topic(source, 2), Topic(feed, 1)])
    stack.admin.create_acls(
        [
            Acl("gebus-lanes", "topic", "literal", source, "read"),
            Acl("gebus-lanes", "topic", "literal", feed, "write"),
            Acl("gebus-lanes", "topic", "literal", feed, "read"),
            Acl("gebus-lanes", "group", "literal", GROUP, "read"),
            Acl("gebus-lanes", "transactional_id", "prefixed", f"{GROUP}.", "write"),
        ]
    )
    producer = open_producer(stack.connection())
    receipts = [producer.send(source, key=str(number).encode(), value=b"v%d" % number) for number in range(COUNT)]
    for receipt in receipts:
        receipt.get(10)
    close_producer(producer)
    return source, feed


def test_a_batch_goes_from_source_to_feed_in_one_transaction(stack, topics) -> None:
    source, feed = topics
    connection = stack.connection("gebus-lanes")
    require_answer(connection)
    consumer, producer = open_lane_consumer(connection, SLOT), open_lane_producer(connection, SLOT)
    try:
        producer.init_transactions(10)
        consumer.subscribe([source])
        taken, deadline = 0, time.monotonic() + 60
        while taken < COUNT and time.monotonic() < deadline:
            messages = [message for message in consumer.consume(COUNT, 0.5) if message.error() is None]
            if messages:
                producer.begin_transaction()
                producer.produce_batch(feed, [{"value": message.value()} for message in messages])
                position = consumer.position(consumer.assignment())
                producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata(), 10)
                producer.commit_transaction(10)
                taken += len(messages)
        assert taken == COUNT
    finally:
        consumer.close()
    # The commit is decided when the call returns, and its marks are written soon after.
    deadline = time.monotonic() + 10
    while committed_of(stack, source) < COUNT and time.monotonic() < deadline:
        pass
    assert committed_of(stack, source) == COUNT
    assert len(read_back(connection, feed)) == COUNT
    assert stack.admin.ends([feed])[feed, 0] > COUNT  # marks of transactions take offsets too


def committed_of(stack, source: str) -> int:
    return sum(offset for (topic, _), offset in stack.admin.committed(GROUP).items() if topic == source)


def read_back(connection, topic: str) -> list[bytes]:
    reader = open_reader(connection, "test")
    values: list[bytes] = []
    try:
        reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        while True:
            for message in reader.consume(1000, 0.5):
                if message.error() is None:
                    values.append(message.value())
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    return values
                else:
                    raise KafkaException(message.error())
    finally:
        reader.close()


def test_a_party_may_not_take_a_lanes_transactional_id(stack) -> None:
    connection = stack.add_principal("lane-thief")
    producer = open_lane_producer(connection, SLOT)
    with pytest.raises(KafkaException) as caught:
        producer.init_transactions(10)
    assert caught.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_a_party_may_not_join_the_group_of_the_lanes(stack, topics) -> None:
    source, _ = topics
    connection = stack.add_principal("lane-joiner", Acl("lane-joiner", "topic", "literal", source, "read"))
    consumer = open_lane_consumer(connection, SLOT + 1)
    try:
        consumer.subscribe([source])
        errors, deadline = [], time.monotonic() + 20
        while not errors and time.monotonic() < deadline:
            errors = [message.error() for message in consumer.consume(10, 0.5) if message.error() is not None]
        assert errors[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    finally:
        consumer.close()


def test_a_wrong_password_is_denied_at_once(stack) -> None:
    connection = replace(stack.connection("gebus-lanes"), password=SecretStr("wrong"))
    began = time.monotonic()
    with pytest.raises(Denied, match="refused to log in gebus-lanes"):
        require_answer(connection)
    assert time.monotonic() - began < 10


def test_a_stack_that_is_down_is_unavailable(stack) -> None:
    connection = replace(stack.connection("gebus-lanes"), bootstrap="127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer .Connection refused.: gebus-lanes"):
        require_answer(connection)
