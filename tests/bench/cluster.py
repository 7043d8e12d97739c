"""The broker as the bench sees it: it makes topics, publishes events, watches groups and reads what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.bench.digest import Digest
from tests.bench.errors import BenchError
from tests.bench.source import PARTITIONS, Chunk

from gebus.kafka.connection import Connection

_PATIENCE = 30.0
_LOOK_EVERY = 0.2
_CRITICAL = 2


class Cluster:
    """The bench's own clients, as the administrator of its stack."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._settings = {**connection.for_librdkafka(), "log_level": _CRITICAL}
        self._admin = AdminClient(self._settings)

    def create(self, topic: str) -> None:
        """A new, empty topic with as many partitions as a workload has everywhere."""
        self._admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(_PATIENCE)

    def delete(self, topic: str) -> None:
        """Remove a topic and its records, so that the disk holds no more than it must."""
        self._admin.delete_topics([topic])[topic].result(_PATIENCE)

    def publish(self, chunks: Iterable[Chunk]) -> None:
        """Write the records, keyed by murmur2 as everywhere; in the order of the chunks as far as topics allow."""
        producer = Producer(
            {
                **self._settings,
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "queue.buffering.max.messages": 200_000,
            }
        )
        written: dict[str, int] = {}
        before: dict[str, int] = {}
        for topic, keys, values in chunks:
            if topic not in written:
                before[topic], written[topic] = sum(self.ends(topic)), 0
            written[topic] += len(keys)
            waiting = [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]
            while waiting:
                waiting = _offered(producer, topic, waiting)
                producer.poll(0.05 if waiting else 0)
        rest = producer.flush(_PATIENCE)
        for topic, count in written.items():
            if (found := sum(self.ends(topic)) - before[topic]) != count or rest:
                raise BenchError(f"{topic}: {found} of {count} events could be published")

    def ends(self, topic: str) -> list[int]:
        """Where each partition of the topic ends for who reads what is committed."""
        consumer = self._reader()
        try:
            places = (TopicPartition(topic, partition) for partition in range(PARTITIONS))
            return [consumer.get_watermark_offsets(place, _PATIENCE)[1] for place in places]
        finally:
            consumer.close()

    @contextmanager
    def first_new(self, topic: str) -> Iterator[Callable[[float], bool]]:
        """Look from now on for a record that is not yet in the topic; true if one came within so many seconds."""
        places = [TopicPartition(topic, partition, end) for partition, end in enumerate(self.ends(topic))]
        consumer = self._reader()
        consumer.assign(places)

        def came(seconds: float) -> bool:
            return any(message.error() is None for message in consumer.consume(1, seconds))

        try:
            yield came
        finally:
            consumer.close()

    def assigned(self, group: str, topics: Iterable[str]) -> int:
        """How many partitions of the topics the members of the group hold."""
        try:
            found = self._admin.describe_consumer_groups([group], request_timeout=_PATIENCE)[group].result()
        except KafkaException:
            return 0
        return sum(
            partition.topic in topics
            for member in found.members
            if member.assignment is not None
            for partition in member.assignment.topic_partitions
        )

    def committed(self, group: str, topics: Iterable[str]) -> int:
        """How many records of the topics the group has committed."""
        try:
            request = ConsumerGroupTopicPartitions(group)
            found = self._admin.list_consumer_group_offsets([request], request_timeout=_PATIENCE)[group].result()
        except KafkaException:
            return 0
        return sum(max(0, place.offset) for place in found.topic_partitions if place.topic in topics)

    def read(self, topic: str, digest: Digest) -> Digest:
        """Add to the digest all that a consumer who reads what is committed finds in the topic."""
        consumer = self._reader()
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
            return self._read(consumer, topic, digest)
        finally:
            consumer.close()

    def _reader(self) -> Consumer:
        return Consumer(
            {
                **self._settings,
                "group.id": "bench.reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 5,
                "enable.partition.eof": True,
            }
        )

    def _read(self, consumer: Consumer, topic: str, found: Digest) -> Digest:
        ended, deadline = 0, time.monotonic() + _PATIENCE
        while ended < PARTITIONS:
            messages = consumer.consume(1_000, _LOOK_EVERY)
            if messages:
                deadline = time.monotonic() + _PATIENCE
            elif time.monotonic() > deadline:
                raise BenchError(f"{topic}: its end cannot be read; is a transaction open?")
            for message in messages:
                error = message.error()
                if error is None:
                    found.add(message.key() or b"", message.value() or b"")
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended += 1
                else:
                    raise BenchError(f"{topic}: {error}")
        return found


def _offered(producer: Producer, topic: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hand the records to the producer; those for which its queue has no room come back."""
    producer.produce_batch(topic, records)
    return [{"key": one["key"], "value": one["value"]} for one in records if "_error" in one]
