"""What every connector that publishes keeps to, on the real stack."""

from __future__ import annotations

import hashlib
import time

import pytest
from tests.contract.bus import PUBLISHER, Bus, event
from tests.contract.connectors import Source
from tests.contract.network import Relay

from gebus.kafka import Connection
from gebus.model.errors import GebusError, Unavailable


@pytest.fixture
def make(source_type, bus: Bus):
    """Open a source; it is closed at the end of the test."""
    opened: list[Source] = []

    def open_source(connection: Connection | None = None) -> Source:
        source: Source = source_type(connection or bus.connection(PUBLISHER), bus.catalogue)
        source.open()
        opened.append(source)
        return source

    yield open_source
    for source in opened:
        source.close()


def test_it_opens_and_closes_and_closes_again(source_type, bus: Bus) -> None:
    source = source_type(bus.connection(PUBLISHER), bus.catalogue)
    source.open()
    assert source.close() == []
    assert source.close() == []


def test_it_may_be_closed_before_it_is_opened(source_type, bus: Bus) -> None:
    assert source_type(bus.connection(PUBLISHER), bus.catalogue).close() == []


def test_nothing_is_published_after_close(make) -> None:
    source = make()
    source.close()
    with pytest.raises(GebusError, match="not open"):
        source.publish(1)


def test_what_was_published_lies_in_the_log_as_the_receipt_says(make, bus: Bus) -> None:
    receipt = make().publish(3)()
    (row,) = bus.written()
    assert (receipt.event_id, receipt.topic) == ("e-3", bus.source_topic)
    assert (receipt.partition, receipt.offset) == (row.partition, row.offset)
    assert receipt.digest == hashlib.sha256(row.value).hexdigest()
    assert row.key == b"k-3"
    stored = row.event(bus.catalogue)
    assert {**stored, **event(3)} | {"occurred_at": 0} == stored | {"occurred_at": 0}
    assert stored["source"] == PUBLISHER
    assert abs(stored["published_at"].timestamp() - time.time()) < 60


def test_a_batch_arrives_whole_and_each_key_in_order(make, bus: Bus) -> None:
    source = make()
    receipts = [source.publish(number) for number in range(2000)]
    source.flush()
    rows = bus.written()
    assert [receipt().event_id for receipt in receipts] == [f"e-{number}" for number in range(2000)]
    stocks: dict[bytes, list[int]] = {}
    for row in rows:
        stocks.setdefault(row.key, []).append(row.event(bus.catalogue)["stock"])
    assert len(rows) == 2000
    assert all(numbers == sorted(numbers) for numbers in stocks.values())
    assert len({row.partition for row in rows}) > 1
    assert all(len({row.partition for row in rows if row.key == key}) == 1 for key in stocks)


def test_a_lost_connection_loses_and_repeats_nothing(make, bus: Bus, relay: Relay) -> None:
    source = make(relay.through(bus.connection(PUBLISHER)))
    receipts = []
    for number in range(600):
        if number in (150, 400):
            relay.cut()
            relay.restore()
        receipts.append(source.publish(number))
    source.flush()
    stored = sorted(row.event(bus.catalogue)["stock"] for row in bus.written())
    assert stored == list(range(600))
    assert [receipt().event_id for receipt in receipts] == [f"e-{number}" for number in range(600)]


def test_it_takes_no_more_than_its_bound_while_the_broker_is_silent(make, bus: Bus, relay: Relay) -> None:
    source = make(relay.through(bus.connection(PUBLISHER)))
    source.publish(0)()
    relay.hold()
    taken: list[object] = []
    began = time.monotonic()
    with pytest.raises(Unavailable, match="was not sent"):
        taken.extend(source.publish(number) for number in range(1, 1000))
    assert len(taken) == 100
    assert time.monotonic() - began < 8
    relay.restore()
    source.flush()
    source.publish(101)()
    assert sorted(row.event(bus.catalogue)["stock"] for row in bus.written()) == list(range(102))


def test_a_broker_that_is_gone_ends_with_everything_handed_back(make, bus: Bus, relay: Relay) -> None:
    source = make(relay.through(bus.connection(PUBLISHER)))
    source.publish(0)()
    relay.cut()
    sent = [f"e-{number}" for number in range(1, 51)]
    for number in range(1, 51):
        source.publish(number)
    began = time.monotonic()
    assert source.close() == sent
    assert source.close() == sent
    assert time.monotonic() - began < 20
    assert [row.event(bus.catalogue)["stock"] for row in bus.written()] == [0]
