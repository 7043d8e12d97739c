"""The broker as the bench sees it: it makes topics, publishes W1, watches groups and reads what came out."""

from __future__ import annotations

import time
from collections.abc import Iterable

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
from tests.bench.errors import BenchError
from tests.bench.workload import PARTITIONS, Digest

from gebus.kafka.connection import Connection

_PATIENCE = 30.0
_LOOK_EVERY = 0.2
_CRITICAL = 2


class Cluster:
    """The bench's own clients, as the administrator of its stack."""

    def __init__(self, connection: Connection) -> None:
        self._settings = {**connection.for_librdkafka(), "log_level": _CRITICAL}
        self._admin = AdminClient(self._settings)

    def create(self, topic: str) -> None:
        """A new, empty topic with as many partitions as W1 has everywhere."""
        self._admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(_PATIENCE)

    def publish(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> int:
        """Write the records, keyed by murmur2 as everywhere; how many the broker has."""
        failures: list[str] = []
        producer = Producer(
            {
                **self._settings,
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
            }
        )
        written = 0
        for key, value in records:
            while True:
                try:
                    producer.produce(
                        topic,
                        value,
                        key,
                        on_delivery=lambda error, _: failures.append(str(error)) if error is not None else None,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            written += 1
            if written % 10_000 == 0:
                producer.poll(0)
        if producer.flush(_PATIENCE) or failures:
            raise BenchError(f"{topic}: the workload could not be published: {failures[:1] or 'time is up'}")
        return written

    def assigned(self, group: str, topic: str) -> int:
        """How many partitions of the topic the members of the group hold."""
        try:
            found = self._admin.describe_consumer_groups([group], request_timeout=_PATIENCE)[group].result()
        except KafkaException:
            return 0
        return sum(
            partition.topic == topic
            for member in found.members
            if member.assignment is not None
            for partition in member.assignment.topic_partitions
        )

    def committed(self, group: str, topic: str) -> int:
        """How many records of the topic the group has committed."""
        try:
            request = ConsumerGroupTopicPartitions(group)
            found = self._admin.list_consumer_group_offsets([request], request_timeout=_PATIENCE)[group].result()
        except KafkaException:
            return 0
        return sum(max(0, place.offset) for place in found.topic_partitions if place.topic == topic)

    def read(self, topic: str) -> Digest:
        """All that a consumer who reads what is committed finds in the topic."""
        consumer = Consumer(
            {
                **self._settings,
                "group.id": "bench.reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 5,
                "enable.partition.eof": True,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
            return self._read(consumer, topic)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, topic: str) -> Digest:
        found, ended, deadline = Digest(), 0, time.monotonic() + _PATIENCE
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
