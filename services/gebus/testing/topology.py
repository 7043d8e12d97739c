"""Lanes in memory: catalogue -> plans -> kernel, without a broker."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gebus.model.errors import GebusError
from gebus.plan import InputPlan, LanePlan
from gebus.testing.clock import ManualClock
from gebus.testing.messages import Encoder, FakeMessage, Log, key_of
from gebus.testing.waiting import Place, Waiting, groups_of, place_of

if TYPE_CHECKING:
    from gebus_kernel import Blocked, Kernel, Leaf, Step

SOURCE_SCHEMA_ID = 1
"""The id of the first contract's schema; those of the others follow, in the order of their names."""
_FIRST_FEED_SCHEMA_ID = 1001

OUTCOMES = ("delivered", "filtered", "duplicate", "withheld", "dead", "waiting")
COUNTS = ("taken", "more", *OUTCOMES)
"""What an account counts; `taken` and `more` are together the sum of the others."""


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
    value: bytes = field(default=b"", repr=False)
    """The same as it lies in the topic."""


@dataclass(frozen=True, slots=True)
class InternalCopy:
    """A record that a lane wrote for another one; a partition of None is where the key belongs."""

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None


@dataclass(frozen=True, slots=True)
class Tick:
    """That a lane saw what time it is in one of its slices."""

    feeds: tuple[str, ...]
    slice: int
    clock_ms: int


@dataclass(slots=True)
class _Results:
    """What one transaction holds; `script` is all that was done, in order."""

    script: list[FakeMessage | Tick] = field(default_factory=list)
    delivered: list[tuple[str, Delivery]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    copies: list[InternalCopy] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)

    @property
    def taken(self) -> list[FakeMessage]:
        return [one for one in self.script if isinstance(one, FakeMessage)]

    def __iadd__(self, other: _Results) -> _Results:
        self.script += other.script
        self.delivered += other.delivered
        self.dead += other.dead
        self.copies += other.copies
        self.leaves += other.leaves
        return self


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
    """One worker with all slices of its lanes, their log, and what it has committed.

    Promised: a batch, a transaction, a crash and a restart do to the kernel what a worker does. What one lane writes
    for another is in the log when its transaction is committed, appended at the clock's time, and not before what it
    was made of. Not promised: more than one worker at a time, and any time that passes by itself.
    """

    def __init__(self, lanes: LanePlan | Sequence[LanePlan], clock: ManualClock | None = None) -> None:
        self.lanes = [lanes] if isinstance(lanes, LanePlan) else list(lanes)
        self.clock = clock or ManualClock()
        self.inputs = {part.name: part for lane in self.lanes for part in lane.inputs}
        self.log = Log({topic: lane.partitions for lane in self.lanes for part in lane.inputs for topic in part.topics})
        contracts = {part.contract: part for part in self.inputs.values()}
        self.writers = {
            name: Encoder(contracts[name].schema, SOURCE_SCHEMA_ID + index)
            for index, name in enumerate(sorted(contracts))
        }
        """How the records of each contract are written."""
        plans = [feed for lane in self.lanes for feed in lane.feeds]
        self.feeds = {
            feed.topic: Encoder(feed.output_schema, _FIRST_FEED_SCHEMA_ID + index) for index, feed in enumerate(plans)
        }
        self.topics = {feed.name: feed.topic for feed in plans}
        """Feed -> its Kafka topic."""
        self.committed = _Results()
        """What the transactions that were committed hold, in order."""
        self.blocked: dict[tuple[str, int], str] = {}
        """Kafka topic and partition -> why its next record must not be taken yet, as of the last step."""
        self._names = {topic: name for name, topic in self.topics.items()}
        self._schemas: list[Callable[[Kernel], None]] = []
        self._waiting = Waiting(groups_of(self.lanes))
        self._open = _Results()
        self._state: list[tuple[str, int, bytes, bytes]] = []
        self.kernel = self._start()

    @property
    def source(self) -> InputPlan:
        """The one contract that is read as it is; GebusError where there are several."""
        return self._contract(None)

    def know_schema(self, schema_id: int, schema: str, of: str | None = None) -> None:
        """A writer schema that the registry knows; ValueError where the schema of its contract cannot read it."""
        name = self._contract(of).name
        self.kernel.add_writer_schema(name, schema_id, schema)
        self._schemas.append(lambda kernel: kernel.add_writer_schema(name, schema_id, schema))

    def refuse_schema(self, schema_id: int, reason: str, of: str | None = None) -> None:
        """A writer schema whose records become dead letters."""
        name = self._contract(of).name
        self.kernel.refuse_schema(name, schema_id, reason)
        self._schemas.append(lambda kernel: kernel.refuse_schema(name, schema_id, reason))

    def set_modes(self, modes: Sequence[tuple[str, str, int, int]]) -> None:
        """The emergencies that are known: id, beginning of the divisions, since, until; between transactions."""
        self.kernel.set_modes(modes)
        self._schemas.append(lambda kernel: kernel.set_modes(modes))

    def publish(
        self, record: Mapping[str, Any], party: str, at_ms: int | None = None, to: str | None = None
    ) -> FakeMessage:
        """A record of a contract's schema, keyed as the contract says; `to` may be left out where there is but one."""
        part = self._contract(to)
        return self.publish_bytes(
            key_of(record, part.key), self.writers[part.contract].encode(record), party, at_ms, to=to
        )

    def publish_bytes(
        self,
        key: bytes | None,
        value: bytes | None,
        party: str,
        at_ms: int | None = None,
        partition: int | None = None,
        *,
        to: str | None = None,
    ) -> FakeMessage:
        """Any bytes on the Kafka topic of a party."""
        part = self._contract(to)
        topic = next((topic for topic, owner in part.topics.items() if owner == party), None)
        if topic is None:
            publishers = ", ".join(sorted(part.topics.values()))
            raise GebusError(f"{party} does not publish {part.name}; its publishers are {publishers}")
        message = self.log.append(topic, key, value, self.clock.now_ms if at_ms is None else at_ms, partition)
        self._waiting.add(message)
        return message

    def step(self, limit: int | None = None) -> None:
        """One batch: everything published and not yet taken, or at most `limit` records of it."""
        batch = self._waiting.take(limit)
        step = self.kernel.step(batch)
        left = self._left(batch, step.blocked)
        self._waiting.put_back(message for message in batch if place_of(message) in left)
        self._open.script += [message for message in batch if place_of(message) not in left]
        self._open.dead += [DeadLetter(batch[dead.index], dead.reason, dead.detail, dead.place) for dead in step.dead]
        self._keep(step)

    def tick(self) -> None:
        """Let the lanes see what time it is, in each slice of which everything was taken."""
        for lane in self.lanes:
            topics = [topic for part in lane.inputs for topic in part.topics]
            for number in range(lane.partitions if lane.ordered else 0):
                if not self._waiting.any_of(topics, number):
                    feeds = tuple(feed.name for feed in lane.feeds)
                    self._open.script.append(Tick(feeds, number, self.clock.now_ms))
                    self._keep(self.kernel.tick(lane.name, number, self.clock.now_ms))

    def commit(self) -> None:
        """The open transaction is committed, with the state that follows from it."""
        self._state += self.kernel.state()
        self._open.leaves = self.kernel.leaves()
        self.kernel.commit(self.clock.now_ms)
        now_ms = max([self.clock.now_ms, *(message.appended_ms for message in self._open.taken)])
        for copy in self._open.copies:
            self._waiting.add(self.log.append(copy.topic, copy.key, copy.value, now_ms, copy.partition))
        self.committed += self._open
        self._open = _Results()

    def rollback(self) -> None:
        """The open transaction is aborted; its records are taken again."""
        self.kernel.rollback()
        self._redo()

    def crash(self) -> None:
        """The worker is gone with all its memory; the next one restores what was committed and redoes the rest."""
        self._redo()
        self.kernel = self._start()

    def snapshot(self) -> None:
        """The committed state as a snapshot has it takes the place of its log. An open transaction is aborted."""
        self.rollback()
        self._state = [
            (lane.name, number, key, value)
            for lane in self.lanes
            for number in range(lane.partitions)
            for key, value in self.kernel.dump(lane.name, number)
        ]

    def forget(self) -> None:
        """The open transaction is committed, and then dropped what no record that may still come could match."""
        self.commit()
        for lane in self.lanes:
            topics = [topic for part in lane.inputs for topic in part.topics]
            for number in range(lane.partitions):
                if not self._waiting.any_of(topics, number):
                    self.kernel.advance(lane.name, number, self.clock.now_ms)

    def run(self, limit: int | None = None) -> None:
        """Take everything that waits, commit after each batch; what is blocked stays."""
        done = -1
        while done != len(self.committed.script) + len(self.committed.copies):
            done = len(self.committed.script) + len(self.committed.copies)
            self.step(limit)
            self.commit()

    def delivered(self, feed: str) -> list[Mapping[str, Any]]:
        """The committed records of a feed, in order."""
        return [delivery.record for name, delivery in self.committed.delivered if name == feed]

    def accounts(self) -> dict[str, Counter[str]]:
        """What became of the records, for each feed over all slices and Kafka topics; the lanes themselves under ""."""
        sums: dict[str, Counter[str]] = {}
        for (feed, _), counts in self.accounts_by_topic().items():
            sums.setdefault(feed, Counter()).update(counts)
        return sums

    def accounts_by_topic(self) -> dict[tuple[str, str], Counter[str]]:
        """The same for each feed and Kafka topic."""
        sums: dict[tuple[str, str], Counter[str]] = {}
        for account in self.kernel.accounts():
            counts = {name: getattr(account, name) for name in COUNTS}
            sums.setdefault((account.feed, account.topic), Counter()).update(counts)
        return sums

    def _contract(self, name: str | None) -> InputPlan:
        contracts = [part for part in self.inputs.values() if not part.internal]
        found = [part for part in contracts if name in (part.name, None)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(sorted(part.name for part in contracts))
        raise GebusError(f"{name or 'no contract named'}: the lanes read {known}; name one of them")

    def _keep(self, step: Step) -> None:
        for topic, values in step.outputs:
            for value in values:
                if topic in self.feeds:
                    content = value["value"]
                    delivery = Delivery(value.get("key"), self.feeds[topic].decode(content), content)
                    self._open.delivered.append((self._names[topic], delivery))
                else:
                    copy = InternalCopy(topic, value.get("key"), value["value"], value.get("partition"))
                    self._open.copies.append(copy)

    def _redo(self) -> None:
        self._waiting.put_back(self._open.taken)
        self._open = _Results()

    def _left(self, batch: Sequence[FakeMessage], blocked: Sequence[Blocked]) -> set[Place]:
        """The places of the records that the kernel did not take: each blocked partition from its first one on.

        In an ordered group that is the partition of all its topics.
        """
        self.blocked = {}
        left: set[Place] = set()
        for stop in blocked:
            first = batch[stop.index]
            self.blocked[first.topic(), first.partition()] = stop.reason
            group = self._waiting.group_of(first)
            topics = group.topics if group.ordered else {first.topic()}
            left |= {
                place_of(message)
                for message in batch[stop.index :]
                if message.topic() in topics and message.partition() == first.partition()
            }
        return left

    def _start(self) -> Kernel:
        kernel = open_kernel(self.lanes)
        for part in self.inputs.values():
            writer = self.writers[part.contract]
            kernel.add_writer_schema(part.name, writer.schema_id, json.dumps(part.schema))
        for prepare in self._schemas:
            prepare(kernel)
        for lane in self.lanes:
            for feed in lane.feeds:
                kernel.set_feed_schema(feed.name, self.feeds[feed.topic].schema_id)
                kernel.set_token_key(feed.name, token_key(feed.name))
            for rekey in lane.rekeys:
                kernel.set_feed_schema(rekey.name, self.writers[rekey.contract].schema_id)
            for slice_number in range(lane.partitions):
                kernel.open(lane.name, slice_number)
        for name, slice_number, key, value in self._state:
            kernel.restore(name, slice_number, key, value)
        return kernel
