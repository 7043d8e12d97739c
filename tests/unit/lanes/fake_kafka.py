"""Kafka at the level of its log: partitions, transactions, one group. No network, no threads, two partitions or more.

It keeps the rules that a worker leans on: read_committed ends at the first undecided transaction; offsets of an
undecided transaction are not stable; a new producer of a transactional id fences the old one and aborts what it left
open; a group refuses the offsets of a member that it has given up. It does not keep time, and has no errors but those
it is told to make.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException, Message, TopicPartition

Place = tuple[str, int]
OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"


def kafka_error(code: int, **flags: bool) -> KafkaException:
    return KafkaException(KafkaError(code, None, **flags))


class ManualClock:
    """Time that passes when a client waits."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@dataclass(eq=False)
class Transaction:
    transactional_id: str
    epoch: int
    state: str = OPEN
    offsets: dict[Place, int] = field(default_factory=dict)
    metadata: dict[Place, str] = field(default_factory=dict)


@dataclass
class Record:
    value: bytes | None
    key: bytes | None = None
    headers: list[tuple[str, bytes | None]] | None = None
    timestamp: int = 0
    transaction: Transaction | None = None
    marker: bool = False
    """A record of the log that no consumer sees: the end of a transaction."""


Fault = Callable[[str], KafkaException | None]


class FakeKafka:
    """The log, the group and the transaction coordinator."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.log: dict[Place, list[Record]] = defaultdict(list)
        self.committed: dict[Place, int] = {}
        self.metadata: dict[Place, str] = {}
        """What was committed with the offsets."""
        self.ids: dict[str, str] = defaultdict(lambda: "first")
        """Of topics; another one where a topic was made anew."""
        self.beginnings: dict[Place, int] = defaultdict(int)
        """The first offset that retention has left of a partition."""
        self.epochs: dict[str, int] = {}
        self.open: dict[str, Transaction] = {}
        self.generation = 0
        self.before: Fault = lambda _: None
        """Asked before each step of a producer; what it returns is raised, and the step does not happen."""
        self.after: Fault = lambda _: None
        """The same after the step has happened: the client does not learn of it."""
        self.room = 10**9
        self.deleted: set[str] = set()

    def append(self, place: Place, value: bytes | None, **also: Any) -> None:
        self.log[place].append(Record(value, timestamp=self.clock.now_ms(), **also))

    def stable_end(self, place: Place) -> int:
        """The last stable offset: where read_committed ends."""
        for offset, record in enumerate(self.log[place]):
            if record.transaction is not None and record.transaction.state == OPEN:
                return offset
        return len(self.log[place])

    def visible(self, place: Place) -> list[Record]:
        """What a read_committed consumer sees of a partition."""
        return [r for r in self.log[place][: self.stable_end(place)] if _visible(r)]

    def decide(self, transaction: Transaction, state: str) -> None:
        transaction.state = state
        self.open.pop(transaction.transactional_id, None)
        if state == COMMITTED:
            self.committed.update(transaction.offsets)
            self.metadata.update(transaction.metadata)
        for place, records in self.log.items():
            if any(record.transaction is transaction for record in records):
                self.log[place].append(Record(None, marker=True))

    def unstable(self, place: Place) -> bool:
        return any(place in transaction.offsets for transaction in self.open.values())


def _visible(record: Record) -> bool:
    return not record.marker and (record.transaction is None or record.transaction.state == COMMITTED)


class FakeProducer:
    def __init__(self, kafka: FakeKafka, transactional_id: str) -> None:
        self.kafka, self.id = kafka, transactional_id
        self.epoch = -1
        self.transaction: Transaction | None = None
        self.queued = 0
        self.reports: list[Callable[[], None]] = []
        """Of records whose delivery the client has not told yet; it tells when it waits."""

    def init_transactions(self, timeout: float) -> None:
        def take_over() -> None:
            self.epoch = self.kafka.epochs[self.id] = self.kafka.epochs.get(self.id, -1) + 1
            if self.id in self.kafka.open:
                self.kafka.decide(self.kafka.open[self.id], ABORTED)

        self._do("init", timeout, take_over)

    def begin_transaction(self) -> None:
        def begin() -> None:
            self.transaction = self.kafka.open[self.id] = Transaction(self.id, self.epoch)

        self._do("begin", 0, begin)

    def produce(self, topic: str, value: bytes | None, **also: Any) -> None:
        if self.queued >= self.kafka.room:
            raise BufferError("queue full")
        partition, report = also.pop("partition", 0), also.pop("on_delivery", None)
        self._do(
            "produce", 0, lambda: self.kafka.append((topic, partition), value, transaction=self.transaction, **also)
        )
        if report is not None:
            place = (topic, partition)
            offset = len(self.kafka.log[place]) - 1
            self.reports.append(lambda: report(None, _message(place, offset, self.kafka.log[place][offset])))
        self.queued += 1

    def produce_batch(self, topic: str, messages: list[dict[str, Any]], **where: int) -> int:
        for index, message in enumerate(messages):
            assert "partition" not in message, "the real one does not heed it"
            try:
                self.produce(topic, **message, **where)
            except BufferError:
                for rest in messages[index:]:
                    rest["_error"] = KafkaError(KafkaError._QUEUE_FULL)
                return index
            except KafkaException as error:
                message["_error"] = error.args[0]
                return index
        return len(messages)

    def send_offsets_to_transaction(self, positions: list[TopicPartition], metadata: int, timeout: float) -> None:
        if metadata != self.kafka.generation:
            raise kafka_error(KafkaError.ILLEGAL_GENERATION, txn_requires_abort=True)

        def send() -> None:
            assert self.transaction is not None
            self.transaction.offsets.update({(p.topic, p.partition): p.offset for p in positions})
            self.transaction.metadata.update({(p.topic, p.partition): p.metadata for p in positions})

        self._do("offsets", timeout, send)

    def commit_transaction(self, timeout: float) -> None:
        def commit() -> None:
            assert self.transaction is not None
            for report in self.reports:
                report()
            self.reports = []
            self.kafka.decide(self.transaction, COMMITTED)

        self._do("commit", timeout, commit)

    def abort_transaction(self, timeout: float) -> None:
        self._do("abort", timeout, lambda: None)

    def poll(self, timeout: float) -> int:
        self.kafka.clock.pass_(timeout)
        self.queued = 0
        return 0

    def flush(self, timeout: float) -> int:
        return 0

    def _do(self, step: str, timeout: float, effect: Callable[[], None]) -> None:
        if step != "init" and self.kafka.epochs.get(self.id) != self.epoch:
            # As librdkafka: what only adds to a transaction tells that the producer is dead, what ends it tells why.
            raise kafka_error(KafkaError._FATAL if step == "produce" else KafkaError._FENCED, fatal=True)
        for ask, happens in ((self.kafka.before, False), (self.kafka.after, True)):
            if happens:
                effect()
            error = ask(step)
            if error is not None:
                self.kafka.clock.pass_(timeout)
                raise error


class FakeConsumer:
    """A member of the group, or a reader of what it was assigned by hand."""

    def __init__(self, kafka: FakeKafka, *, tells_end: bool = False) -> None:
        self.kafka, self.tells_end = kafka, tells_end
        self.next: dict[Place, int] = {}
        self.seen: dict[Place, int] = {}
        self.paused: set[Place] = set()
        self.told_end: dict[Place, int] = {}
        self.callbacks: dict[str, Any] = {}
        self.events: list[tuple[str, list[Place]]] = []
        self.errors: list[Message] = []
        self.generation = 0
        self.closed = False

    # What a test does to it.

    def give(self, places: Iterable[Place]) -> None:
        self.events.append(("on_assign", sorted(places)))

    def take(self, places: Iterable[Place], *, lost: bool = False) -> None:
        self.events.append(("on_lost" if lost else "on_revoke", sorted(places)))

    # What a worker does with it.

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks
        self.generation = self.kafka.generation

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        for event, places in self.events:
            self.callbacks[event](self, [TopicPartition(*place) for place in places])
        self.events = []
        found, self.errors = self.errors, []
        for place in sorted(self.next):
            if place not in self.paused:
                found += self._read(place, num_messages - len(found))
        if not found:
            self.kafka.clock.pass_(timeout)
        return found

    def _read(self, place: Place, count: int) -> list[Message]:
        found: list[Message] = []
        end = self.kafka.stable_end(place)
        if not self.kafka.beginnings[place] <= self.next[place] <= len(self.kafka.log[place]):
            error = KafkaError(KafkaError._AUTO_OFFSET_RESET)
            return [Message(topic=place[0], partition=place[1], offset=self.next[place], error=error)]
        while self.next[place] < end and len(found) < count:
            offset = self.next[place]
            self.next[place] += 1
            record = self.kafka.log[place][offset]
            if _visible(record):
                self.seen[place] = offset + 1
                found.append(_message(place, offset, record))
        if self.tells_end and self.next[place] == end != self.told_end.get(place) and len(found) < count:
            self.told_end[place] = end
            error = KafkaError(KafkaError._PARTITION_EOF)
            found.append(Message(topic=place[0], partition=place[1], offset=end, error=error))
        return found

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in sorted(self.next)]

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.next = {}
        self.incremental_assign(partitions)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            place = (partition.topic, partition.partition)
            assert partition.offset == OFFSET_BEGINNING or partition.offset >= 0, "the client is told where to begin"
            assert partition.offset >= 0 or not self.callbacks, "a paused partition goes to its beginning at any time"
            self.next[place] = self.kafka.beginnings[place] if partition.offset < 0 else partition.offset

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        for place in _places(partitions):
            del self.next[place]
            self.seen.pop(place, None)
            self.told_end.pop(place, None)

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(*place, self.seen.get(place, OFFSET_INVALID)) for place in _places(partitions)]

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        places = _places(partitions)
        if any(self.kafka.unstable(place) for place in places):
            self.kafka.clock.pass_(timeout)
            raise kafka_error(KafkaError._TIMED_OUT)
        committed, metadata = self.kafka.committed, self.kafka.metadata
        return [
            TopicPartition(*place, committed.get(place, OFFSET_INVALID), metadata.get(place, "")) for place in places
        ]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused.update(_places(partitions))

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused.difference_update(_places(partitions))

    def seek(self, partition: TopicPartition) -> None:
        place = (partition.topic, partition.partition)
        self.next[place] = self.kafka.beginnings[place] if partition.offset < 0 else partition.offset
        self.seen.pop(place, None)

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        place = (partition.topic, partition.partition)
        return self.kafka.beginnings[place], len(self.kafka.log[place])

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        found = []
        for partition in partitions:
            log = self.kafka.log[partition.topic, partition.partition]
            later = (offset for offset, record in enumerate(log) if record.timestamp >= partition.offset)
            found.append(TopicPartition(partition.topic, partition.partition, next(later, -1)))
        return found

    def list_topics(self, *, timeout: float) -> SimpleNamespace:
        class There:
            def __contains__(there, topic: str) -> bool:  # noqa: N805 - the consumer is `self` here
                return topic not in self.kafka.deleted

        return SimpleNamespace(topics=There())

    def consumer_group_metadata(self) -> int:
        return self.generation

    def memberid(self) -> str:
        return f"member-{self.generation}"

    def close(self) -> None:
        if not self.closed and self.next and self.callbacks:
            self.callbacks["on_revoke"](self, self.assignment())
        self.closed = True


def _places(partitions: Iterable[TopicPartition]) -> list[Place]:
    return [(partition.topic, partition.partition) for partition in partitions]


def _message(place: Place, offset: int, record: Record) -> Message:
    return Message(
        topic=place[0], partition=place[1], offset=offset, key=record.key, value=record.value,
        headers=record.headers, timestamp=(2, record.timestamp),
    )  # fmt: skip
