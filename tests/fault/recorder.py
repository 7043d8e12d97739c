"""Reads everything that a run left in Kafka into its history, as consumers see it and as Kafka's files have it."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # it is, in its documentation
from tests.fault import segments
from tests.fault.expectation import Codec, digest, identity, text
from tests.fault.history import Event, History
from tests.fault.world import PARTITIONS, POISON
from tests.integration.lanes.kit import wait_until

from gebus.kafka import Connection
from gebus.kafka.lane_clients import open_asker
from gebus.lanes.accounts import read_accounts
from gebus.lanes.dead_letters import dead_letter_topic, read_dead_letter
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place, kafka
from gebus.lanes.settings import slot_id, state_topic
from gebus.model.leaf import LEAF_TOPIC
from gebus.model.leaf import Message as Leaves
from gebus.plan import LanePlan

_LEAVES = Place(LEAF_TOPIC, 0)


@dataclass(frozen=True)
class Recorder:
    """Of one catalogue's topics; `reader` sees committed records alone."""

    plans: Sequence[LanePlan]
    codec: Codec
    reader: Consumer
    connection: Connection
    data: Path
    """The directory of Kafka's own files."""

    @property
    def inputs(self) -> list[Place]:
        """Every partition that lanes read."""
        topics = {topic for plan in self.plans for part in plan.inputs for topic in part.topics}
        return [Place(topic, number) for topic in sorted(topics) for number in range(PARTITIONS)]

    @property
    def internal(self) -> list[Place]:
        """Those of them that lanes write."""
        topics = {rekey.topic for plan in self.plans for rekey in plan.rekeys}
        return [place for place in self.inputs if place.topic in topics]

    @property
    def written(self) -> list[Place]:
        """Every partition that lanes write."""
        feeds = [
            Place(feed.topic, number) for plan in self.plans for feed in plan.feeds for number in range(feed.partitions)
        ]
        states = [Place(state_topic(plan.name), number) for plan in self.plans for number in range(plan.partitions)]
        return [*self.internal, *feeds, *states, *self._dead, _LEAVES]

    @property
    def _dead(self) -> list[Place]:
        return [Place(dead_letter_topic(contract), 0) for contract in sorted(self.codec.contracts)]

    def record(self, history: History) -> None:
        """Everything, once nothing writes any more."""
        self._wait_readable()
        for message in self._read(self.inputs):
            history.note("appended", **self._appended(message))
        feeds = {feed.topic: feed for plan in self.plans for feed in plan.feeds}
        for message in self._read([place for place in self.written if place.topic in feeds]):
            name, value = feeds[message.topic()].name, message.value()
            event_id = self.codec.feeds[name].decode(value)["event_id"]
            own = {"id": identity(event_id, value), "digest": digest(message.key(), value)}
            history.note("delivered", feed=name, **_at(message), key=text(message.key()), **own)
        for message in self._read([_LEAVES]):
            content = Leaves.decode(message.value(), str(_at(message)))
            if content.leaf.feed in {feed.name for feed in feeds.values()}:  # other catalogues run on this stack too
                digests = [found[:8].hex() for _, found in content]
                history.note("leaf", feed=content.leaf.feed, count=content.leaf.count, digests=digests)
        for message in self._read(self._dead):
            letter = read_dead_letter(message.key(), message.value(), message.headers())
            of = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
            history.note("dead", **of, feed=letter.feed, reason=letter.reason)
        for row in read_accounts(self.reader, self.plans):
            if row.feed:
                history.note("account", topic=row.topic, feed=row.feed, counts=asdict(row.counts))
        self.reader.unassign()
        for place in self.written:
            for batch in segments.aborted(self.data / f"{place.topic}-{place.partition}"):
                history.note(
                    "aborted", topic=place.topic, partition=place.partition, offset=batch.first, last=batch.last
                )

    def last_offsets(self, places: Collection[Place]) -> dict[Place, int]:
        """The last record of each partition that has one, as a read_committed reader finds it."""
        return {Place(message.topic(), message.partition()): message.offset() for message in self._read(list(places))}

    def producer_of(self, slot: int) -> tuple[int, int]:
        """The producer id and epoch that a slot's transactional id has now, from Kafka's own topic of transactions."""
        found = -1, -1
        for message in self._read([Place("__transaction_state", number) for number in range(4)]):
            key, value = message.key(), message.value()
            if value is not None and key[4:].decode() == slot_id(slot):
                found = struct.unpack_from(">qh", value, 2)
        assert found[0] >= 0, f"Kafka knows no transactional id {slot_id(slot)}"
        return found

    def committed_batches(self, producer: int, epoch: int, since_ms: int) -> list[str]:
        """What a producer wrote later than that, in this epoch or an older one, and committed."""
        found = []
        for place in self.written:
            partition = self.data / f"{place.topic}-{place.partition}"
            void = {batch.first for batch in segments.aborted(partition)}
            found += [
                f"{place}@{batch.first}"
                for batch in segments.batches(partition)
                if (batch.producer, batch.ends) == (producer, "")
                and batch.epoch <= epoch
                and batch.at_ms > since_ms
                and batch.first not in void
            ]
        return found

    def _read(self, places: Sequence[Place]) -> Iterator[Any]:
        yield from read_to_end(self.reader, places)

    def _appended(self, message: Message) -> Event:
        value = message.value() or b""
        topic, key = message.topic() or "", message.key()
        if value.startswith(POISON):
            event_id = value.removeprefix(POISON).decode()
        else:
            event_id = self.codec.contracts[self.codec.contract_of[topic]].decode(value)["event_id"]
        if Place(topic, message.partition() or 0) in self.internal:
            event_id = identity(event_id, value)
        at_ms = message.timestamp()[1]
        return {**_at(message), "at_ms": at_ms, "key": text(key), "value": text(value), "id": event_id}

    def _wait_readable(self) -> None:
        """What a dead worker left open is ended by the broker; until then it holds readers back."""
        asker = open_asker(self.connection)

        def ends(level: IsolationLevel) -> dict[TopicPartition, int]:
            latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client says no types here
            found = asker.list_offsets(dict.fromkeys(kafka(self.written), latest), isolation_level=level)
            return {place: answer.result().offset for place, answer in found.items()}

        def readable() -> bool:
            try:
                return ends(IsolationLevel.READ_COMMITTED) == ends(IsolationLevel.READ_UNCOMMITTED)
            except KafkaException:
                return False

        wait_until(readable, "every topic can be read to its end: a transaction is open")


def _at(message: Any) -> dict[str, Any]:
    return {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
