"""What a Publisher does before and after Kafka, on a producer that answers as the test says."""

from __future__ import annotations

import json
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from kafka.future import Future
from pydantic import SecretStr

from gebus.catalogue import load
from gebus.kafka import Connection
from gebus.kafka.decoding import FeedDecoder
from gebus.kafka.registry import Version
from gebus.model.catalogue import Catalogue
from gebus.model.errors import Denied, EventRefused, NotFound, Stopped, Unavailable
from gebus_connectors.sdk import NotAcknowledged, Publisher, PublisherOptions, event_model
from gebus_connectors.sdk import publisher as module

TOPIC = "market.price_report"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Metadata = namedtuple("Metadata", "topic partition offset")


def event(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"e-{number}",
        "entity_id": "kn95",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": datetime(2020, 2, 1, tzinfo=UTC),
        "region": "420100",
        "product": "口罩",
        "category": "MASK",
        "price": Decimal("12.50"),
        "reporter_phone": "13800000042",
    } | changes


class FakeProducer:
    """Keeps what it is given until the test answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes, Future]] = []
        self.closed = 0
        self.refusal: Exception | None = None

    def send(self, topic: str, value: bytes, key: bytes) -> Future:
        if self.refusal is not None:
            raise self.refusal
        future = Future()
        self.sent.append((topic, value, key, future))
        return future

    def store(self, index: int) -> None:
        self.sent[index][3].success(Metadata(self.sent[index][0], 2, 100 + index))

    def fail(self, index: int, error: Exception) -> None:
        self.sent[index][3].failure(error)


class FakeRegistry:
    asked = 0

    def __init__(self, _: Connection) -> None:
        self._avro = load(CATALOGUE).events[TOPIC].avro

    def __enter__(self) -> FakeRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def versions(self, _: str) -> list[int]:
        FakeRegistry.asked += 1
        return [1]

    def version(self, subject: str, number: int) -> Version:
        return Version(subject, number, 7, json.dumps(self._avro))


CATALOGUE = Path(__file__).parents[2] / "contract" / "catalogue"


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> FakeProducer:
    fake = FakeProducer()
    monkeypatch.setattr(module, "open_producer", lambda *_, **__: fake)
    monkeypatch.setattr(module, "close_producer", lambda given: setattr(given, "closed", given.closed + 1))
    monkeypatch.setattr(module, "Registry", FakeRegistry)
    return fake


@pytest.fixture
def publisher(producer: FakeProducer, catalogue: Catalogue) -> Publisher:  # noqa: ARG001 - opened by it
    options = PublisherOptions(in_flight_records=3, room_timeout=timedelta(milliseconds=10))
    return Publisher(connection("shop"), catalogue, "shop", options=options, clock=lambda: NOW).open()


def connection(principal: str) -> Connection:
    return Connection("127.0.0.1:1", "https://127.0.0.1:2", Path("ca.pem"), principal, SecretStr("secret-password"))


def decoded(catalogue: Catalogue, value: bytes) -> dict[str, Any]:
    return FeedDecoder(lambda _: json.dumps(catalogue.events[TOPIC].avro)).decode(value)


def test_source_and_published_at_are_filled_in(
    publisher: Publisher, producer: FakeProducer, catalogue: Catalogue
) -> None:
    given = event()
    publisher.send(TOPIC, given)
    publisher.send(TOPIC, event(1, published_at=1, source="shop"))
    topic, value, key, _ = producer.sent[0]
    assert (topic, key) == ("market.price_report.shop", b"kn95")
    assert decoded(catalogue, value) | {"source": "shop", "published_at": NOW} == decoded(catalogue, value)
    assert decoded(catalogue, producer.sent[1][1])["published_at"] == datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)
    assert "source" not in given


def test_a_typed_event_is_sent_as_a_dict_is(publisher: Publisher, producer: FakeProducer, catalogue: Catalogue) -> None:
    publisher.send(TOPIC, event_model(catalogue, TOPIC)(**event()))
    publisher.send(TOPIC, event())
    assert producer.sent[0][1] == producer.sent[1][1]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"source": "mall"}, "source"),
        ({"price": Decimal("1.005")}, "price"),
        ({"sellers": [{"name": "甲", "sold": 1}, {"name": "乙"}]}, r"sellers\[1\]\.sold"),
        ({"category": "CAR"}, "category"),
        ({"region": "here"}, "region"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": 5}, "event_id"),
        ({"occurred_at": datetime(2020, 2, 1)}, "occurred_at"),  # noqa: DTZ001 - the point of the test
        ({"colour": "red"}, "colour"),
        ({"reporter_phone": 13800000042}, "reporter_phone"),
    ],
)
def test_an_event_that_breaks_its_contract_never_leaves(
    publisher: Publisher, producer: FakeProducer, changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(EventRefused, match=f"{TOPIC}: {path}: .*; allowed: ") as refused:
        publisher.send(TOPIC, event(**changes))
    assert "138" not in str(refused.value)
    assert producer.sent == []
    publisher.send(TOPIC, event(1))
    assert len(producer.sent) == 1


@pytest.mark.parametrize(
    ("occurred_at", "shown"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (NOW - timedelta(days=3650, milliseconds=1), "2016-11-24T11:59:59Z"),
        (NOW + timedelta(days=1, milliseconds=1), "2026-11-23T12:00:00Z"),
        (-(2**63), "-9223372036854775808 ms since 1970"),
    ],
)
def test_an_event_out_of_time_never_leaves(
    publisher: Publisher, producer: FakeProducer, occurred_at: datetime | int, shown: str
) -> None:
    allowed = (
        "allowed: 2016-11-24T12:00:00Z to 2026-11-23T12:00:00Z, as this machine's clock shows 2026-11-22T12:00:00Z"
    )
    with pytest.raises(EventRefused, match=f"occurred_at: {shown}; {allowed}"):
        publisher.send(TOPIC, event(occurred_at=occurred_at))
    assert producer.sent == []
    publisher.send(TOPIC, event(occurred_at=NOW + timedelta(days=1)))
    with pytest.raises(EventRefused, match=r"category: .* outside its validity"):  # in time, but for its code
        publisher.send(TOPIC, event(occurred_at=NOW - timedelta(days=3650)))


def test_the_registry_is_asked_once_a_topic(publisher: Publisher) -> None:
    before = FakeRegistry.asked
    publisher.prepare(TOPIC)
    publisher.send(TOPIC, event())
    publisher.send(TOPIC, event(1))
    assert FakeRegistry.asked == before + 1


def test_names_that_nobody_knows_are_refused_with_the_nearest(publisher: Publisher, catalogue: Catalogue) -> None:
    with pytest.raises(NotFound, match=r"no topic market.price_reprt; did you mean `market.price_report`?"):
        publisher.send("market.price_reprt", event())
    with pytest.raises(NotFound, match=r"no party shp; did you mean `shop`?"):
        Publisher(connection("shp"), catalogue, "shp")


@pytest.mark.usefixtures("producer")
def test_only_a_publisher_of_the_topic_may_send(catalogue: Catalogue) -> None:
    watch = Publisher(connection("watch"), catalogue, "watch").open()
    with pytest.raises(Denied, match=r"watch is no publisher of market.price_report; its publishers are shop, mall"):
        watch.send(TOPIC, event())
    with pytest.raises(Denied, match="the connection is that of watch; shop publishes as shop alone"):
        Publisher(connection("watch"), catalogue, "shop")


def test_a_receipt_names_place_and_digest(publisher: Publisher, producer: FakeProducer) -> None:
    sent = publisher.send(TOPIC, event(5))
    assert not sent.acknowledged
    producer.store(0)
    receipt = sent.receipt(0)
    assert (receipt.event_id, receipt.topic, receipt.partition, receipt.offset) == ("e-5", f"{TOPIC}.shop", 2, 100)
    assert len(receipt.digest) == 64
    assert publisher.close() == ()


def test_in_flight_is_bounded(publisher: Publisher, producer: FakeProducer) -> None:
    for number in range(3):
        publisher.send(TOPIC, event(number))
    with pytest.raises(Unavailable, match=r"event e-3 of market.price_report was not sent"):
        publisher.send(TOPIC, event(3))
    for index in range(3):
        producer.store(index)
    publisher.send(TOPIC, event(3))
    assert len(producer.sent) == 4


def test_after_a_failure_nothing_overtakes_and_all_is_handed_back(publisher: Publisher, producer: FakeProducer) -> None:
    first, second = publisher.send(TOPIC, event(0)), publisher.send(TOPIC, event(1))
    publisher.send(TOPIC, event(2))
    producer.store(1)
    producer.fail(0, TopicAuthorizationFailedError("market.price_report.shop"))
    producer.fail(2, KafkaTimeoutError("no answer"))
    with pytest.raises(Denied, match=r"refused shop to publish to market.price_report"):
        first.receipt(0)
    with pytest.raises(Stopped, match="an earlier event was not acknowledged, and none may overtake it"):
        publisher.send(TOPIC, event(3))
    with pytest.raises(NotAcknowledged, match="2 events were not acknowledged") as failed:
        publisher.flush()
    assert not failed.value.retriable, "one of the reasons is a missing right"
    unsent = publisher.close()
    assert [one.event_id for one in unsent] == ["e-0", "e-2"]
    assert [type(one.reason) for one in unsent] == [Denied, Unavailable]
    assert unsent[0].event["product"] == "口罩"
    assert second.acknowledged
    assert publisher.close() == unsent
    assert producer.closed == 1


def publish_in_a_block(producer: FakeProducer, publisher: Publisher, error: Exception | None = None) -> None:
    with publisher:
        publisher.send(TOPIC, event())
        producer.fail(0, KafkaTimeoutError("no answer"))
        if error is not None:
            raise error


def test_leaving_the_block_raises_what_was_not_acknowledged(publisher: Publisher, producer: FakeProducer) -> None:
    with pytest.raises(NotAcknowledged, match="1 events were not acknowledged, the first of them e-0") as raised:
        publish_in_a_block(producer, publisher)
    assert [one.event_id for one in raised.value.unsent] == ["e-0"]


def test_leaving_the_block_by_an_error_keeps_that_error(publisher: Publisher, producer: FakeProducer) -> None:
    with pytest.raises(KeyError, match="mine"):
        publish_in_a_block(producer, publisher, KeyError("mine"))
    assert len(publisher.close()) == 1


def test_what_the_client_does_not_take_was_not_sent(publisher: Publisher, producer: FakeProducer) -> None:
    producer.refusal = KafkaTimeoutError("Failed to update metadata")
    with pytest.raises(Unavailable, match=r"to publish to market.price_report.shop"):
        publisher.send(TOPIC, event())
    producer.refusal = None
    publisher.send(TOPIC, event(1))
    producer.store(0)
    assert publisher.close() == ()


@pytest.mark.usefixtures("producer")
def test_a_publisher_that_is_not_open_says_so(catalogue: Catalogue) -> None:
    publisher = Publisher(connection("shop"), catalogue, "shop")
    with pytest.raises(Stopped, match="the publisher of shop is not open"):
        publisher.send(TOPIC, event())
    assert publisher.close() == ()
    with pytest.raises(Stopped, match="the publisher of shop is closed"):
        publisher.open()
    assert "secret" not in repr(publisher)
