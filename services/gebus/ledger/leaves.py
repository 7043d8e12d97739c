"""The topic of leaves, as the ledger reads it, and that of checkpoints, which it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from kafka import TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from gebus.kafka import Connection
from gebus.kafka.edge import close_producer, cluster_of, open_consumer, open_producer
from gebus.kafka.errors import in_our_words, told
from gebus.model.errors import Denied, Stopped
from gebus.model.leaf import CHECKPOINT_TOPIC, LEAF_TOPIC, Message

_MOST = 500
"""Messages at once; each may have 2 MiB, and the client fetches at most 50 MiB."""
_ANSWER_MS = 10_000
_POLLS = 50


@dataclass(frozen=True, slots=True)
class Taken:
    """A committed message of the topic, and where it lay."""

    offset: int
    message: Message


class LeafReader:
    """Reads the topic from an offset on, committed messages alone, in their order.

    Promised: nothing is passed over; where the topic no longer holds what comes next, or holds something that no lane
    writes, Stopped. A Kafka that does not answer is waited for. For one thread.
    """

    def __init__(self, connection: Connection, offset: int) -> None:
        self._connection = connection
        self._place = TopicPartition(LEAF_TOPIC, 0)
        self._consumer: Any = open_consumer(connection, without_offset="none")
        try:
            _require_topic(self._consumer, connection, LEAF_TOPIC)
            self._consumer.assign([self._place])
            self._consumer.seek(self._place, offset)
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(timeout_ms=1000)

    def poll(self, seconds: float) -> list[Taken]:
        """What comes next; none if nothing comes within so many seconds."""
        try:
            batches = self._consumer.poll(round(seconds * 1000), max_records=_MOST)
        except OffsetOutOfRangeError as error:
            raise Stopped(
                f"{LEAF_TOPIC} does not hold offset {error.args[0].get(self._place)}: it was made anew, or what was "
                "not read was deleted; nothing is signed over a gap. `gebus ledger verify` says what is there"
            ) from error
        except KafkaError as error:
            raise in_our_words(error, self._connection, f"reading {LEAF_TOPIC}") from error
        return [
            Taken(record.offset, Message.decode(record.value, f"{LEAF_TOPIC}, offset {record.offset}"))
            for record in batches.get(self._place, ())
        ]

    def seek(self, offset: int) -> None:
        """Go on from there."""
        self._consumer.seek(self._place, offset)

    def one(self, offset: int) -> Taken:
        """The message at an offset."""
        self.seek(offset)
        for _ in range(_POLLS):
            for taken in self.poll(0.2)[:1]:
                if taken.offset == offset:
                    return taken
                raise Stopped(f"{LEAF_TOPIC} no longer holds offset {offset}; `gebus ledger verify` says what is there")
        raise in_our_words(KafkaError("no answer"), self._connection, f"reading {LEAF_TOPIC} at {offset}")

    def bounds(self) -> tuple[int, int]:
        """The first offset, and that after the last committed message."""
        with told(self._connection, f"looking for the end of {LEAF_TOPIC}"):
            first = self._consumer.beginning_offsets([self._place], timeout_ms=_ANSWER_MS)[self._place]
            end = self._consumer.end_offsets([self._place], timeout_ms=_ANSWER_MS)[self._place]
        return first, end

    @property
    def position(self) -> int:
        """The offset that comes next; past the marks of transactions, which are no messages."""
        return int(self._consumer.position(self._place))


class CheckpointLog:
    """The topic of checkpoints: the newest of each ledger, with the broker's time of when it was written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer = open_producer(connection)

    def close(self) -> None:
        """Disconnect."""
        close_producer(self._producer)

    def write(self, origin: str, checkpoint: str) -> None:
        """Write the newest; Unavailable where Kafka does not confirm it within 10 seconds."""
        with told(self._connection, f"writing to {CHECKPOINT_TOPIC}"):
            self._producer.send(CHECKPOINT_TOPIC, key=origin.encode(), value=checkpoint.encode()).get(
                _ANSWER_MS // 1000
            )


def newest_checkpoint(connection: Connection, origin: str) -> str | None:
    """The newest checkpoint of a ledger that the topic holds."""
    consumer: Any = open_consumer(connection)
    place = TopicPartition(CHECKPOINT_TOPIC, 0)
    try:
        _require_topic(consumer, connection, CHECKPOINT_TOPIC)
        consumer.assign([place])
        with told(connection, f"reading {CHECKPOINT_TOPIC}"):
            consumer.seek_to_beginning(place)
            end = consumer.end_offsets([place], timeout_ms=_ANSWER_MS)[place]
            found: str | None = None
            while consumer.position(place) < end:
                for record in _records(consumer.poll(500)):
                    if record.key == origin.encode():
                        found = record.value.decode()
            return found
    finally:
        consumer.close(timeout_ms=1000)


def bus_of(connection: Connection) -> str:
    """What tells this bus from every other: the id of its Kafka cluster."""
    consumer: Any = open_consumer(connection)
    try:
        with told(connection, "asking for the cluster's id"):
            consumer.topics()
        return cluster_of(consumer)
    finally:
        consumer.close(timeout_ms=1000)


def origin_of(bus: str) -> str:
    """The name of a bus's ledger, which is in all that it signs."""
    return f"gebus/{bus}"


def _records(batches: dict[TopicPartition, Sequence[Any]]) -> list[Any]:
    return [record for records in batches.values() for record in records]


def _require_topic(consumer: Any, connection: Connection, topic: str) -> None:
    with told(connection, f"reading {topic}"):
        if not consumer.partitions_for_topic(topic):
            raise Denied(
                f"{connection.principal} may not read {topic} of Kafka at {connection.bootstrap}, or it is not there; "
                "`gebus apply` makes it, and grants what is needed"
            )
