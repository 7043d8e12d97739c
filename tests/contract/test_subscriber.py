"""What is the Subscriber's alone, on the real stack."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from pydantic import SecretStr
from tests.contract.bus import CONSUMER, FEED, STRANGER, Bus, wait_until

from gebus.model.errors import Denied, Stopped, Unavailable
from gebus_connectors.sdk import Delivery, Subscriber

NOW = datetime.now(UTC)


def numbers(deliveries: Any) -> list[int]:
    return [delivery.record["number"] for delivery in deliveries]


def group() -> str:
    return f"subscriber.{datetime.now(UTC).timestamp()}"


def poll_one(subscriber: Subscriber) -> Delivery:
    found: list[Delivery] = []
    wait_until(lambda: bool(found.extend(subscriber.poll(0.2, 1)) or found))
    return found[0]


def test_it_reads_to_the_end_as_it_is_at_the_start(bus: Bus) -> None:
    with bus.delivering() as deliver, Subscriber(bus.connection(CONSUMER), [FEED]) as subscriber:
        assert list(subscriber.read_to_end()) == []
        deliver({0: [bus.feed_value(1)], 1: [bus.feed_value(2)]})
        deliver({0: [bus.feed_value(3)]}, abort=True)
        reading = subscriber.read_to_end()
        first = next(reading)
        deliver({0: [bus.feed_value(4)]})
        assert sorted(numbers([first, *reading]))[:2] == [1, 2]


def test_it_begins_at_an_instant(bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1), bus.feed_value(2)]})
        with Subscriber(bus.connection(CONSUMER), [FEED]) as subscriber:
            (_, second) = subscriber.read_to_end()
        wait_until(lambda: datetime.now(UTC) > second.appended_at + timedelta(milliseconds=50))
        begin = datetime.now(UTC)
        deliver({0: [bus.feed_value(3)], 1: [bus.feed_value(4)]})
    for start, expected in ((begin, [3, 4]), (NOW - timedelta(days=1), [1, 2, 3, 4]), (NOW + timedelta(days=1), [])):
        with Subscriber(bus.connection(CONSUMER), [FEED], start=start) as subscriber:
            assert sorted(numbers(subscriber.read_to_end())) == expected


def test_a_new_group_begins_where_it_is_told_and_an_old_one_where_it_was(bus: Bus) -> None:
    name = group()
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1)]})
        with Subscriber(bus.connection(CONSUMER), [FEED], group=name, start="end") as subscriber:
            wait_until(lambda: not subscriber.poll(0.5) and len(subscriber._consumer.assignment()) == 2)
            assert subscriber.poll(0.5) == []
            deliver({0: [bus.feed_value(2)]})
            delivery = poll_one(subscriber)
            assert delivery.record["number"] == 2
            delivery.settle()
        deliver({0: [bus.feed_value(3)]})
    with Subscriber(bus.connection(CONSUMER), [FEED], group=name, start="beginning") as subscriber:
        assert poll_one(subscriber).record["number"] == 3


def test_records_that_retention_took_unread_are_said_and_not_skipped(bus: Bus, stack) -> None:
    name = group()
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(10)]})
        with Subscriber(bus.connection(CONSUMER), [FEED], group=name) as subscriber:
            poll_one(subscriber).settle()
    client = KafkaAdminClient(**stack.connection().for_kafka_python())
    try:
        client.delete_records({TopicPartition(bus.feed_topic, 0): 5})
    finally:
        client.close()
    subscriber = Subscriber(bus.connection(CONSUMER), [FEED], group=name)
    with subscriber, pytest.raises(Stopped, match="retention passed before these records were read"):
        wait_until(lambda: bool(subscriber.poll(0.2)))
    with Subscriber(bus.connection(CONSUMER), [FEED]) as subscriber:
        assert numbers(subscriber.read_to_end()) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("broken", "why"), [(b"\x01broken", "not 0x00"), (b"\x00\x7f\x00\x00\x00", "the registry has no schema 2130706432")]
)
def test_a_record_that_cannot_be_read_stops_after_those_before_it(bus: Bus, broken: bytes, why: str) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(0), bus.feed_value(1), broken, bus.feed_value(3)]})
    with Subscriber(bus.connection(CONSUMER), [FEED], group=group()) as subscriber:
        found: list[Delivery] = []
        wait_until(lambda: found.extend(subscriber.poll(0.2)) or len(found) == 2)
        for _ in range(2):
            with pytest.raises(Stopped, match=r"feed\.watch\.dear-masks, partition 0, offset 2 cannot be read: " + why):
                subscriber.poll()
        assert numbers(found) == [0, 1]


def test_another_ones_feed_and_a_feed_that_is_not_there_are_denied(bus: Bus) -> None:
    for party, feed in ((CONSUMER, "press/prices"), (STRANGER, f"{CONSUMER}/{FEED}"), (CONSUMER, "dear-msks")):
        with pytest.raises(Denied, match=rf"{party} may not read feed\..*, or there is no such feed"):
            Subscriber(bus.connection(party), [feed], group="x").open()


def test_another_ones_group_is_denied(bus: Bus) -> None:
    subscriber = Subscriber(bus.connection(CONSUMER), [FEED], group="x")
    subscriber._group = "press.x"
    with subscriber, pytest.raises(Denied, match="refused watch"):
        subscriber.poll(5)


def test_a_wrong_password_is_denied_and_does_not_show(bus: Bus) -> None:
    wrong = dataclasses.replace(bus.connection(CONSUMER), password=SecretStr("not-the-password"))
    with pytest.raises(Denied, match="refused to log in watch") as denied:
        Subscriber(wrong, [FEED]).open()
    assert "not-the-password" not in str(denied.value)


def test_a_broker_that_is_down_is_unavailable_within_its_bound(bus: Bus) -> None:
    down = dataclasses.replace(bus.connection(CONSUMER), bootstrap="127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        Subscriber(down, [FEED]).open()


def test_a_registry_that_is_down_loses_nothing(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(1)]})
    with Subscriber(bus.connection(CONSUMER), [FEED], group=group()) as subscriber:
        registry = subscriber._registry
        assert registry is not None
        schema = registry.schema_by_id(bus.feed_schema_id)

        def down(_: int) -> str:
            raise Unavailable("the registry is down")

        with monkeypatch.context() as patch:
            patch.setattr(registry, "schema_by_id", down)
            with pytest.raises(Unavailable):
                wait_until(lambda: bool(subscriber.poll(0.2)))
        assert poll_one(subscriber).record["number"] == 1
        assert json.loads(schema)["name"] == "Evidence"


def test_what_makes_no_sense_is_refused_before_anything_connects(bus: Bus) -> None:
    with pytest.raises(ValueError, match="at least one feed"):
        Subscriber(bus.connection(CONSUMER), [])
    with pytest.raises(ValueError, match="has no time zone"):
        Subscriber(bus.connection(CONSUMER), [FEED], start=datetime(2020, 2, 1))  # noqa: DTZ001 - the point of the test


def test_stop_ends_the_iteration(bus: Bus) -> None:
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(number) for number in range(5)]})
    with Subscriber(bus.connection(CONSUMER), [FEED], group=group()) as subscriber:
        seen = []
        for delivery in subscriber:
            seen.append(delivery.record["number"])
            subscriber.stop()
        assert seen == [0, 1, 2, 3, 4]
