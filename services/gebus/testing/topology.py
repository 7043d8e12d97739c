"""A lane in memory: catalogue -> plan -> kernel, without a broker."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gebus.model.errors import GebusError
from gebus.plan import LanePlan
from gebus.testing.clock import ManualClock
from gebus.testing.messages import Encoder, FakeMessage, Log, key_of

if TYPE_CHECKING:
    from gebus_kernel import Blocked, Kernel

SOURCE_SCHEMA_ID = 1
_FIRST_FEED_SCHEMA_ID = 1001


OUTCOMES = ("taken", "delivered", "filtered", "duplicate", "withheld", "dead")
"""What an account counts; what was taken is the sum of the others."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that became a dead letter, and why."""

    message: FakeMessage
    reason: str
    detail: str
    place: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivered record: its key, and the record as the consumer decodes it."""

    key: bytes | None
    record: Mapping[str, Any]


@dataclass(slots=True)
class _Results:
    """What one transaction holds."""

    taken: list[FakeMessage] = field(default_factory=list)
    delivered: list[tuple[str, Delivery]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


def token_key(feed: str) -> bytes:
    """The token key of a feed in tests: the same in every run, and no secret."""
    return hashlib.sha256(f"test key of {feed}".encode()).digest()


def open_kernel(lanes: Sequence[LanePlan]) -> Kernel:
    """A kernel with these lanes compiled; GebusError where the kernel is not installed or refuses a plan."""
    try:
        from gebus_kernel import Kernel  # noqa: PLC0415  (planning and checking work without the extra)
    except ImportError as error:
        raise GebusError("the kernel is not installed; install gebus with the extra `lanes`") from error
    try:
        return Kernel([lane.to_kernel() for lane in lanes])
    except ValueError as error:
        raise GebusError(f"the kernel refuses a lane plan: {error}") from error


class Topology:
    """One worker with all slices of a lane, its log, and what it has committed.

    Promised: a batch, a transaction, a crash and a restart do to the kernel what a worker does. Not promised: more than
    one worker at a time, and any time that passes by itself.
    """

    def __init__(self, lane: LanePlan, clock: ManualClock | None = None) -> None:
        self.lane = lane
        self.clock = clock or ManualClock()
        self.log = Log(lane.partitions)
        self.source = Encoder(lane.source.schema, SOURCE_SCHEMA_ID)
        self.feeds = {
            feed.topic: Encoder(feed.output_schema, _FIRST_FEED_SCHEMA_ID + index)
            for index, feed in enumerate(lane.feeds)
        }
        self.committed = _Results()
        """What the transactions that were committed hold, in order."""
        self.blocked: dict[tuple[str, int], str] = {}
        """Kafka topic and partition -> why its next record must not be taken yet, as of the last step."""
        self._names = {feed.topic: feed.name for feed in lane.feeds}
        self._schemas: list[Callable[[Kernel], None]] = []
        self._waiting: list[FakeMessage] = []
        self._arrival: dict[tuple[str, int, int], int] = {}
        self._open = _Results()
        self._state: list[tuple[str, int, bytes, bytes]] = []
        self.kernel = self._start()

    def know_schema(self, schema_id: int, schema: str) -> None:
        """A writer schema that the registry knows; ValueError where the source's schema cannot read it."""
        self.kernel.add_writer_schema(self.lane.source.name, schema_id, schema)
        self._schemas.append(lambda kernel: kernel.add_writer_schema(self.lane.source.name, schema_id, schema))

    def refuse_schema(self, schema_id: int, reason: str) -> None:
        """A writer schema whose records become dead letters."""
        self.kernel.refuse_schema(self.lane.source.name, schema_id, reason)
        self._schemas.append(lambda kernel: kernel.refuse_schema(self.lane.source.name, schema_id, reason))

    def publish(self, record: Mapping[str, Any], party: str, at_ms: int | None = None) -> FakeMessage:
        """A record of the source schema, keyed as the contract says."""
        return self.publish_bytes(key_of(record, self.lane.source.key), self.source.encode(record), party, at_ms)

    def publish_bytes(
        self, key: bytes | None, value: bytes | None, party: str, at_ms: int | None = None, partition: int | None = None
    ) -> FakeMessage:
        """Any bytes on the Kafka topic of a party."""
        topic = next((topic for topic, owner in self.lane.source.topics.items() if owner == party), None)
        if topic is None:
            publishers = ", ".join(sorted(self.lane.source.topics.values()))
            raise GebusError(f"{party} does not publish {self.lane.source.name}; its publishers are {publishers}")
        message = self.log.append(topic, key, value, self.clock.now_ms if at_ms is None else at_ms, partition)
        self._arrival[_place(message)] = len(self._arrival)
        self._waiting.append(message)
        return message

    def step(self, limit: int | None = None) -> None:
        """One batch: everything published and not yet taken, or at most `limit` records of it."""
        batch = self._waiting[:limit]
        step = self.kernel.step(batch)
        left = self._left(batch, step.blocked)
        self._open.taken += [message for message in batch if _place(message) not in left]
        self._waiting = [message for message in batch if _place(message) in left] + self._waiting[len(batch) :]
        for topic, values in step.outputs:
            encoder = self.feeds[topic]
            self._open.delivered += [
                (self._names[topic], Delivery(value.get("key"), encoder.decode(value["value"]))) for value in values
            ]
        self._open.dead += [DeadLetter(batch[dead.index], dead.reason, dead.detail, dead.place) for dead in step.dead]

    def commit(self) -> None:
        """The open transaction is committed, with the state that follows from it."""
        self._state += self.kernel.state()
        self.kernel.commit(self.clock.now_ms)
        self.committed.taken += self._open.taken
        self.committed.delivered += self._open.delivered
        self.committed.dead += self._open.dead
        self._open = _Results()

    def rollback(self) -> None:
        """The open transaction is aborted; its records are taken again."""
        self.kernel.rollback()
        self._redo()

    def crash(self) -> None:
        """The worker is gone with all its memory; the next one restores what was committed and redoes the rest."""
        self._redo()
        self.kernel = self._start()

    def run(self, limit: int | None = None) -> None:
        """Take everything that waits, commit after each batch; what is blocked stays."""
        while True:
            before = len(self._waiting)
            self.step(limit)
            self.commit()
            if not self._waiting or len(self._waiting) == before:
                return

    def delivered(self, feed: str) -> list[Mapping[str, Any]]:
        """The committed records of a feed, in order."""
        return [delivery.record for name, delivery in self.committed.delivered if name == feed]

    def accounts(self) -> dict[str, Counter[str]]:
        """What became of the records, for each feed over all slices and Kafka topics; the source itself under ""."""
        sums: dict[str, Counter[str]] = {}
        for account in self.kernel.accounts():
            counts = {outcome: getattr(account, outcome) for outcome in OUTCOMES}
            sums.setdefault(account.feed, Counter()).update(counts)
        return sums

    def _redo(self) -> None:
        taken_again = [*self._open.taken, *self._waiting]
        self._waiting = sorted(taken_again, key=lambda message: self._arrival[_place(message)])
        self._open = _Results()

    def _left(self, batch: Sequence[FakeMessage], blocked: Sequence[Blocked]) -> set[tuple[str, int, int]]:
        """The places of the records that the kernel did not take: each blocked partition from its first one on."""
        self.blocked = {}
        left: set[tuple[str, int, int]] = set()
        for stop in blocked:
            first = batch[stop.index]
            self.blocked[first.topic(), first.partition()] = stop.reason
            left |= {_place(message) for message in batch[stop.index :] if _place(message)[:2] == _place(first)[:2]}
        return left

    def _start(self) -> Kernel:
        kernel = open_kernel([self.lane])
        kernel.add_writer_schema(self.lane.source.name, SOURCE_SCHEMA_ID, json.dumps(self.lane.source.schema))
        for prepare in self._schemas:
            prepare(kernel)
        for feed in self.lane.feeds:
            kernel.set_feed_schema(feed.name, self.feeds[feed.topic].schema_id)
            kernel.set_token_key(feed.name, token_key(feed.name))
        for slice_number in range(self.lane.partitions):
            kernel.open(self.lane.name, slice_number)
        for lane, slice_number, key, value in self._state:
            kernel.restore(lane, slice_number, key, value)
        return kernel


def _place(message: FakeMessage) -> tuple[str, int, int]:
    return message.topic(), message.partition(), message.offset()
