"""What the lanes' group has committed, read from the topic in which Kafka keeps it, in the order in which it was."""

from __future__ import annotations

import struct
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from tests.fault.history import Event, History
from tests.integration.lanes.kit import wait_until

from gebus.kafka import Connection
from gebus.lanes.settings import GROUP

_TOPIC, _PARTITIONS = "__consumer_offsets", 4
_OFFSET_KEY = (0, 1)
"""The versions of a key that is about an offset, not about a member."""
Partition = tuple[str, int]


class OffsetsWatch:
    """Notes every committed offset of the group on topics of a domain, from the beginning of the log."""

    def __init__(self, connection: Connection, history: History, domain: str) -> None:
        self._history, self._domain = history, domain
        self.reached: dict[Partition, Event] = {}
        """The newest commit of each partition."""
        self._consumer = Consumer(
            {
                **connection.for_librdkafka(),
                "group.id": "gebus.fault-watch",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
            }
        )
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="offsets", daemon=True)

    def __enter__(self) -> Self:
        self._consumer.assign([TopicPartition(_TOPIC, number, OFFSET_BEGINNING) for number in range(_PARTITIONS)])
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(30)
        self._consumer.close()

    def served(self, places: Collection[Partition], since_ms: int) -> bool:
        """Whether every one of these partitions has a commit that is later."""
        return all(place in self.reached and self.reached[place]["at_ms"] > since_ms for place in places)

    def wait_served(self, places: Collection[Partition], since_ms: int, what: str) -> int:
        """Wait for that; the time of the first later commit, in the partition that had to wait longest."""

        def missing() -> str:
            late = (place for place in sorted(places) if not self.served([place], since_ms))
            return ", ".join(f"{topic}/{partition}" for topic, partition in late)

        try:
            wait_until(lambda: bool(self._failed) or self.served(places, since_ms), what, step=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}: {missing()}") from None
        if self._failed:
            raise self._failed[0]
        first: dict[Partition, int] = {}
        for event in list(self._history.of("committed")):
            if event["at_ms"] > since_ms:
                first.setdefault((event["topic"], event["partition"]), event["at_ms"])
        return max(first[place] for place in places)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for message in self._consumer.consume(1000, 0.1):
                    if message.error() is None:
                        self._note(message)
        except BaseException as error:
            self._failed.append(error)

    def _note(self, message: Message) -> None:
        key, value = message.key(), message.value()
        if key is None or value is None or struct.unpack_from(">h", key)[0] not in _OFFSET_KEY:
            return
        group, at = _text(key, 2)
        topic, at = _text(key, at)
        if group != GROUP or self._domain not in topic.split("."):
            return
        (partition,) = struct.unpack_from(">i", key, at)
        (offset,) = struct.unpack_from(">q", value, 2)
        commit = {"topic": topic, "partition": partition, "offset": offset, "at_ms": message.timestamp()[1]}
        self._history.note("committed", **commit)
        self.reached[topic, partition] = commit


def _text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length
