"""What the workloads publish and expect, against each one's meaning done plainly, a record at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import fastavro
import pytest
from tests.bench.digest import Digest, Outcome
from tests.bench.source import PARTITIONS, Chunk, Source
from tests.bench.template import HEADER, plain, wire_header
from tests.bench.workloads import WORKLOADS, Workload, named, w1, w2, w3, w4

from gebus.catalogue import load
from gebus.plan import lanes

SIZE = 30_000
FEED_ID = 9

Record = dict[str, Any]


@dataclass(slots=True)
class Log:
    """A target that keeps what is published, in its order."""

    records: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def create(self, topic: str) -> None:
        raise AssertionError(f"{topic}: the contracts' own topics are there")

    def publish(self, chunks: Iterable[Chunk]) -> None:
        for topic, keys, values in chunks:
            self.records += [(topic, key, value) for key, value in zip(keys, values, strict=True)]

    def read(self, source: Source) -> list[tuple[str, bytes, Record]]:
        """Topic, key and content of each record."""
        of = {topic: fastavro.parse_schema(schema) for topic, schema in zip(source.topics, source.schemas, strict=True)}
        return [(topic, key, _decoded(value, of[topic])) for topic, key, value in self.records]


@dataclass(frozen=True, slots=True)
class Schema:
    id: int
    schema: str


def _decoded(value: bytes, schema: Any) -> Record:
    buffer = io.BytesIO(value[HEADER:])
    found: Any = fastavro.schemaless_reader(buffer, schema, None)
    assert not buffer.read()
    return dict(found)


def feed_schema(workload: Workload) -> Any:
    """The schema of the workload's feed, as a lane registers it."""
    [lane] = lanes(load(workload.catalogue))
    [feed] = lane.feeds
    return feed.output_schema


def filled(workload: Workload, size: int = SIZE) -> tuple[Log, Source]:
    log, feed = Log(), Schema(FEED_ID, json.dumps(feed_schema(workload)))
    source = workload.fill(size, log, lambda subject: feed if subject.startswith("feed.") else Schema(7, "{}"))
    return log, source


class Expected:
    """What is delivered, record by record, and its outcome."""

    def __init__(self, workload: Workload, key: str, *, derived: bool) -> None:
        self._schema, self._key = fastavro.parse_schema(plain(feed_schema(workload))), key
        self._digest = Digest(derived=derived)

    def deliver(self, record: Record) -> None:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self._schema, record)
        self._digest.add(str(record[self._key]).encode(), wire_header(FEED_ID) + buffer.getvalue())

    def outcome(self, repeats: int | None = None) -> Outcome:
        return Outcome(self._digest.count, self._digest.hex(), repeats)


def joined(left: Record, right: Record) -> Record:
    """Both records' fields, the left side's first; ids are not compared."""
    later = {name: max(left[name], right[name]) for name in ("occurred_at", "published_at")}
    return {**right, **left, **later, "status": "ASSERTED"}


def naive_w2(log: Log, source: Source) -> Outcome:
    expected, sides = Expected(named(["w2"])[0], "ticket_no", derived=True), dict[str, dict[str, Record]]()
    left, right = source.topics
    for topic, _, record in log.read(source):
        sides.setdefault(topic, {})[record["ticket_no"]] = record
        pair = [sides.get(side, {}).get(record["ticket_no"]) for side in (left, right)]
        if pair[0] is not None and pair[1] is not None:
            expected.deliver({**joined(pair[0], pair[1]), "passenger_name": None})
    return expected.outcome()


def naive_w3(log: Log, source: Source) -> Outcome:
    expected, table = Expected(named(["w3"])[0], "sku", derived=True), dict[str, Record]()
    left, _ = source.topics
    for topic, _, record in log.read(source):
        if topic == left:
            expected.deliver({**joined(record, table[record["sku"]]), "seller_phone": None})
        else:
            table[record["sku"]] = record
    return expected.outcome()


def naive_once(log: Log, source: Source) -> Outcome:
    """W1 and W4."""
    expected, seen, repeats = Expected(named(["w1"])[0], "entity_id", derived=False), set[str](), 0
    for _, _, report in log.read(source):
        if report["event_id"] in seen:
            repeats += 1
        elif report["category"] == "MASK" and report["price_cents"] > 2000:
            expected.deliver({**report, "reporter_name": None, "reporter_phone": None})
        seen.add(report["event_id"])
    return expected.outcome(repeats)


NAIVE: dict[str, Callable[[Log, Source], Outcome]] = {
    "w1": naive_once,
    "w2": naive_w2,
    "w3": naive_w3,
    "w4": naive_once,
}


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_what_is_expected_is_what_the_plainest_program_makes_of_what_was_published(workload: Workload) -> None:
    log, source = filled(workload)
    assert len(log.records) == source.events
    assert source.expected.outputs > SIZE / 3
    assert source.expected == NAIVE[workload.name](log, source)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_a_workload_is_the_same_each_time_and_its_keys_are_those_of_its_contracts(workload: Workload) -> None:
    log, source = filled(workload, 3_000)
    assert filled(workload, 3_000)[0].records == log.records
    catalogue = load(workload.catalogue)
    keys = {topic: catalogue.topics[topic.rsplit(".", 1)[0]].key for topic in source.topics}
    for topic, key, record in log.read(source):
        assert "|".join(str(record[name]) for name in keys[topic]).encode() == key


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_the_topics_of_a_workload_have_as_many_partitions_as_a_peers(workload: Workload) -> None:
    [lane] = lanes(load(workload.catalogue))
    assert lane.partitions == PARTITIONS
    assert {feed.partitions for feed in lane.feeds} == {PARTITIONS}


def test_half_of_either_side_of_w2_has_a_partner_and_either_comes_first() -> None:
    log, source = filled(named(["w2"])[0])
    first: dict[str, str] = {}
    both = [0, 0]
    for topic, _, record in log.read(source):
        ticket = record["ticket_no"]
        if first.setdefault(ticket, topic) != topic:
            both[source.topics.index(topic)] += 1
    assert sum(both) == source.expected.outputs == SIZE // 2
    assert min(both) > SIZE // 10


def test_w3_has_a_row_for_each_offer_and_replaces_a_tenth_of_the_rows_before() -> None:
    log, source = filled(named(["w3"])[0])
    left, right = source.topics
    topics = [topic for topic, _, _ in log.records]
    assert topics == [right] * (SIZE + SIZE // 10) + [left] * SIZE
    assert source.expected.outputs == SIZE


def test_the_records_of_the_joins_are_as_long_as_they_are_said_to_be() -> None:
    for workload in named(["w2", "w3"]):
        log, _ = filled(workload, 100)
        assert all(195 <= len(value) <= 205 for _, _, value in log.records)


def test_w4_repeats_events_that_came_long_before_and_grows_by_a_tail() -> None:
    log, source = filled(named(["w4"])[0])
    before = source.events
    more = source.grow()
    assert source.events == before + more == len(log.records)
    assert source.expected == naive_once(log, source)
    distances = w4.numbers_at(0, before)[9::10]
    assert len({int(number) for number in distances}) > SIZE // 15
    assert int(distances.min()) < 1_000


def test_the_feeds_are_those_of_the_catalogues() -> None:
    for workload in WORKLOADS:
        [lane] = lanes(load(workload.catalogue))
        assert [feed.topic for feed in lane.feeds] == [workload.feed]
    assert {w1.FEED, w2.FEED, w3.FEED} == {workload.feed for workload in WORKLOADS}
