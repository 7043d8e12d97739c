"""The naive twin of the lanes: plain Python on fastavro and cel-python, one record at a time, everything decoded.

It shares nothing with the planner's compiler or the kernel, so that what both say of an input is worth comparing. Slow,
without limits on memory, and forgetful of nothing but what its feeds forget: not for anything but tests.

`oracle` reads records and judges them, `oracle_inputs` says who gets them and what is copied for whom, `oracle_feed`
runs a feed's steps and follows what it delivered, `oracle_join` and `oracle_reconcile` bring records together,
`oracle_derive` makes the envelope of what comes of that.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Container, Sequence
from datetime import timedelta
from typing import Any

import fastavro

from gebus.model.catalogue import Catalogue
from gebus.model.event import STATUSES, AvroType
from gebus.model.key import encode_key
from gebus.model.topic import TopicContract
from gebus.testing import strict_avro
from gebus.testing.messages import FakeMessage, raw
from gebus.testing.oracle_feed import FeedOracle, Place
from gebus.testing.oracle_inputs import Copy, Way, copiers, text_key
from gebus.testing.oracle_policy import OracleMode

Record = dict[str, Any]


class Oracle:
    """All feeds of a catalogue: give it each record, of whatever topic, in the order in which the lanes took them."""

    def __init__(
        self, catalogue: Catalogue, token_key: Callable[[str], bytes], modes: Sequence[OracleMode] = ()
    ) -> None:
        self._catalogue = catalogue
        self._topics = {
            contract.kafka_topic(party): (contract, party)
            for contract in catalogue.topics.values()
            for party in contract.publishers
        }
        self._writers: dict[int, AvroType] = {}
        self._refused: dict[int, str] = {}
        self.feeds = [
            FeedOracle(feed, catalogue, token_key(feed.id), modes) for _, feed in sorted(catalogue.feeds.items())
        ]
        self._copiers = copiers(catalogue)
        self.copies: list[Copy] = []
        """What lanes write for other lanes, in their order."""
        self.dead: list[tuple[FakeMessage, set[str]]] = []
        """Each dead letter with every reason that holds for it; the lane may name any one of them."""

    def know_schema(self, schema_id: int, schema: AvroType) -> None:
        """A writer schema under its id."""
        self._writers[schema_id] = raw(schema)

    def refuse_schema(self, schema_id: int, reason: str) -> None:
        """A writer schema whose records are dead letters."""
        self._refused[schema_id] = reason

    def take(self, message: FakeMessage) -> None:
        """One record, in full."""
        if message.topic() in self._topics:
            self._take_published(message, *self._topics[message.topic()])
        else:
            way = next(copier.way for copier in self._copiers if copier.way.topic == message.topic())
            record = self._decoded(message, way.contract)
            moved = way.how == "by" and message.key() != text_key(record, way.key).encode()
            self._give(message, record, way, moved=moved)

    def tick(self, feeds: Container[str], slice_number: int, clock_ms: int) -> None:
        """It is that late in a slice of these feeds, and all records up to then were taken."""
        for feed in self.feeds:
            if feed.name in feeds:
                feed.tick(slice_number, clock_ms)

    def _take_published(self, message: FakeMessage, contract: TopicContract, party: str) -> None:
        record, reasons = self._read(message, contract)
        if record is not None and not reasons:
            reasons = set(self._broken_rules(message, record, contract, party))
        way = Way(contract.topic, "as it is", contract.key, contract.partitions)
        if record is None or reasons:
            self.dead.append((message, reasons))
            for feed in self.feeds:
                if way in feed.ways.values():
                    feed.lose(_place(message))
            return
        self._give(message, record, way, moved=False)
        for copier in self._copiers:
            if copier.way.contract == contract.topic:
                at_ms = message.timestamp()[1]
                self.copies += copier.copies(record, message.key() or b"", message.partition(), at_ms)

    def _give(self, message: FakeMessage, record: Record, way: Way, *, moved: bool) -> None:
        for feed in self.feeds:
            for alias, own in feed.ways.items():
                if own == way and "dead" in feed.take(_place(message), alias, record, moved=moved):
                    self.dead.append((message, {"too_many_matches"}))

    def _read(self, message: FakeMessage, contract: TopicContract) -> tuple[Record | None, set[str]]:
        value = message.value()
        if (reason := self._envelope_of(value)) is not None or value is None:
            return None, {reason or "tombstone"}
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id in self._refused:
            return None, {self._refused[schema_id]}
        try:
            strict_avro.check(value[5:], self._writers[schema_id])
        except strict_avro.Undecodable as error:
            return None, {error.reason}
        return self._decoded(message, contract.topic), set()

    def _decoded(self, message: FakeMessage, contract: str) -> Record:
        value = message.value() or b""
        writer = self._writers[int.from_bytes(value[1:5], "big")]
        reader = raw(self._catalogue.events[contract].avro)
        record: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), writer, reader)
        return dict(record)

    def _envelope_of(self, value: bytes | None) -> str | None:
        """What is wrong before any schema is looked at."""
        if value is None:
            return "tombstone"
        if len(value) > strict_avro.MOST_BYTES:
            return "too_large"
        if len(value) < 5:
            return "short"
        return "not_avro" if value[0] != 0 else None

    def _broken_rules(self, message: FakeMessage, record: Record, contract: TopicContract, owner: str) -> list[str]:
        append_ms = message.timestamp()[1]
        window = contract.event_time
        early = record["occurred_at"] < append_ms - window.past // timedelta(milliseconds=1)
        late = record["occurred_at"] > append_ms + window.future // timedelta(milliseconds=1)
        rules = {
            "wrong_key": message.key() != encode_key([record[name] for name in contract.key]),
            "forged_source": record["source"] != owner,
            "bad_status": record["status"] not in STATUSES,
            "bad_region": re.fullmatch(r"[0-9]{6,12}", record["region"]) is None,
            "bad_event_id": not 1 <= len(record["event_id"].encode()) <= 256,
            "negative_revision": record["revision"] < 0,
            "too_early": early,
            "too_late": late,
        }
        return [rule for rule, broken in rules.items() if broken]


def _place(message: FakeMessage) -> Place:
    return Place(message.topic(), message.partition(), message.timestamp()[1], message.key())
