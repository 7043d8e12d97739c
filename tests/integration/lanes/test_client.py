"""What lanes lean on in librdkafka, shown on the real broker: if an upgrade changes it, this says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from tests.integration.lanes.kit import Bed, record, wait_until

from gebus.kafka.lane_clients import open_consumer, open_producer, open_reader
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place

BATCH = 100_000


def positions(consumer: Consumer) -> dict[int, int]:
    return {one.partition: one.offset for one in consumer.position(consumer.assignment()) if one.offset >= 0}


def handed_out(found: list[Message], so_far: dict[int, int]) -> None:
    so_far.update({message.partition(): message.offset() + 1 for message in found})


@contextmanager
def publishing(bed: Bed) -> Iterator[None]:
    """Records come all the time."""
    stop = threading.Event()

    def go() -> None:
        number = 0
        while not stop.wait(0.05):
            bed.publish([record(f"r-{number}-{one}", entity=f"e{one}") for one in range(8)])
            number += 1

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_positions_inside_a_rebalance_are_those_of_what_was_handed_out(bed: Bed) -> None:
    connection, topic = bed.stack.connection("gebus-lanes"), bed.topic("dxy")
    first, second = open_consumer(connection, 50), open_consumer(connection, 51)
    out: dict[int, int] = {}
    seen: list[tuple[dict[int, int], dict[int, int]]] = []

    def revoked(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        del partitions
        seen.append((positions(consumer), dict(out)))

    def joins() -> None:
        second.subscribe([topic])
        wait_until(lambda: bool(second.consume(1, 0.2)) or bool(second.assignment()), "the second has partitions")

    try:
        first.subscribe([topic], on_revoke=revoked)
        with publishing(bed):
            wait_until(lambda: handed_out(first.consume(BATCH, 0.2), out) or bool(out), "the first has records", step=0)
            joining = threading.Thread(target=joins)
            joining.start()
            # One long consume() gathers records while the rebalance happens inside it.
            wait_until(lambda: handed_out(first.consume(BATCH, 3.0), out) or bool(seen), "a rebalance", step=0)
            joining.join()
        assert all(told == {p: out_then[p] for p in told} for told, out_then in seen), seen
    finally:
        first.close()
        second.close()


def test_after_pause_and_seek_nothing_comes_and_then_the_record_itself(bed: Bed) -> None:
    bed.publish([record(f"r-{number}", entity="e") for number in range(50)])
    topic = bed.topic("dxy")
    consumer = open_consumer(bed.stack.connection("gebus-lanes"), 52)
    try:
        consumer.subscribe([topic])
        found: list[Message] = []
        wait_until(lambda: bool(found.extend(consumer.consume(30, 0.5)) or len(found) >= 20), "20 records", step=0)
        place = TopicPartition(topic, found[0].partition())
        consumer.pause([place])
        consumer.seek(TopicPartition(topic, place.partition, 7))
        assert consumer.consume(BATCH, 1.0) == []
        assert positions(consumer).get(place.partition, 7) <= 7
        consumer.resume([place])
        again: list[Message] = []
        wait_until(lambda: bool(again.extend(consumer.consume(10, 0.5)) or again), "the record again", step=0)
        assert again[0].offset() == 7
    finally:
        consumer.close()


def test_offsets_of_an_open_transaction_are_not_told_and_its_records_hold_the_end_back(bed: Bed) -> None:
    bed.publish([record("r", entity="e")])
    connection, topic = bed.stack.connection("gebus-lanes"), bed.topic("dxy")
    consumer, producer = open_consumer(connection, 53), open_producer(connection, 53)
    reader = open_reader(connection, "test")
    state = Place(f"gebus.state.{bed.contract}", 0)
    try:
        consumer.subscribe([topic])
        found: list[Message] = []
        wait_until(lambda: bool(found.extend(consumer.consume(1, 0.5)) or found), "the record", step=0)
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(state.topic, b"state", partition=0)
        place = TopicPartition(topic, found[0].partition(), 1)
        producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), 10)
        producer.flush(10)
        with pytest.raises(KafkaException) as raised:
            consumer.committed([place], timeout=1.0)
        assert raised.value.args[0].name() == "_TIMED_OUT"
        assert end_and_high_watermark(reader, state) == (0, 1)
        producer.commit_transaction(10)
        assert consumer.committed([place], timeout=10.0)[0].offset == 1
        assert [message.value() for message in read_to_end(reader, [state])] == [b"state"]
    finally:
        reader.close()
        consumer.close()


def end_and_high_watermark(reader: Any, place: Place) -> tuple[int, int]:
    """Where a reader is told that the partition ends, and the end of the log that the same fetch told."""
    reader.assign([place.kafka(0)])
    ends: list[Message] = []
    wait_until(lambda: bool(ends.extend(reader.consume(1, 0.5)) or ends), "the end", step=0)
    return ends[0].offset(), reader.get_watermark_offsets(place.kafka(), cached=True)[1]
