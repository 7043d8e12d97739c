"""What must not work: records that no publisher could send, and parties that reach for what is not theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

from kafka import TopicPartition
from pydantic import SecretStr

from gebus.cli._demo.history import Planted, Refusal
from gebus.cli._demo.stage import Stage
from gebus.kafka.edge import open_consumer, open_producer
from gebus.kafka.encoding import Encoded, EventEncoder, registered_id
from gebus.kafka.errors import told
from gebus.kafka.registry import Registry
from gebus.model.errors import Denied, EventRefused, GebusError
from gebus_connectors.sdk import Publisher, Subscriber
from gebus_connectors.sources.generator import PeopleSource
from gebus_connectors.sources.reading import Event

_TOPIC, _PARTY = "supply.donation", "cishan"
_FAR = timedelta(days=400) // timedelta(milliseconds=1)


def plant(on: Stage, now_ms: int) -> list[Planted]:
    """Put bad records into a party's own topic, past the SDK, as that party: only the lane can stop them."""
    planted = list(_bad_records(on, now_ms))
    contract = on.catalogue.topics[_TOPIC]
    connection = on.connection(_PARTY)
    topic = contract.kafka_topic(_PARTY)
    with closing(open_producer(connection)) as producer, told(connection, f"to write {topic}"):
        sent = [producer.send(topic, one.value, one.key) for one in planted]
        for future in sent:
            future.get(timeout=30)
    return planted


def _bad_records(on: Stage, now_ms: int) -> Iterator[Planted]:
    event = _sample().at(now_ms)
    good = _encoded(on, event)
    forged, late = {**event, "source": "dxy"}, {**event, "occurred_at": now_ms + _FAR}
    lost = {**event, "region": "somewhere"}
    cases: list[tuple[str, str, bytes, bytes]] = [
        ("bytes that are no Avro", "not_avro", good.key, b"\xff\xfe{json}?"),
        ("a record cut off in the middle", "truncated", good.key, good.value[: len(good.value) // 2]),
        ("bytes after the record", "trailing_bytes", good.key, good.value + b"\x00"),
        ("a wrong key", "wrong_key", b"another entity", good.value),
        ("the name of another source", "forged_source", good.key, _encoded(on, forged).value),
        ("a time in the far future", "too_late", good.key, _encoded(on, late).value),
        ("a region that is none", "bad_region", good.key, _encoded(on, lost).value),
    ]
    for what, reason, key, value in cases:
        yield Planted(_PARTY, _TOPIC, what, reason, key, value)


def refusals(on: Stage, now_ms: int) -> list[Refusal]:
    """Try everything that must be refused before it reaches a lane; each must end in the error that is named."""
    event = _sample().at(now_ms)
    health, topic = "hubei-health/hospital-needs", on.catalogue.topics[_TOPIC].kafka_topic(_PARTY)
    tried: list[tuple[str, str, type[GebusError], Callable[[], None]]] = [
        (_PARTY, "sends a field that the schema does not have", EventRefused, lambda: _send(on, {**event, "fax": "1"})),
        (_PARTY, "sends a number as text", EventRefused, lambda: _send(on, {**event, "amount_yuan": "many"})),
        (_PARTY, "sends a code that the list does not have", EventRefused, lambda: _send(on, {**event, "kind": "x"})),
        (_PARTY, "sends in the name of dxy", EventRefused, lambda: _send(on, {**event, "source": "dxy"})),
        ("xinwen", "publishes donations", Denied, lambda: _send(on, event, "xinwen")),
        ("xinwen", "writes cishan's topic past the SDK", Denied, lambda: _write(on, event)),
        ("ditu", "reads the health commission's feed", Denied, lambda: _read(on, "ditu", health)),
        ("ditu", "takes part in a group of the health commission", Denied, lambda: _join(on)),
        ("hubei-market", "reads the donors from the topic itself", Denied, lambda: _tap(on, "hubei-market", topic)),
        ("xinwen", "reads dead letters", Denied, lambda: _tap(on, "xinwen", f"dead.{_TOPIC}")),
        ("xinwen", "registers a schema", Denied, lambda: _register(on)),
        ("hubei-civil", "logs in with a wrong password", Denied, lambda: _wrong_password(on)),
    ]
    return [_refused(who, what, how, attempt) for who, what, how, attempt in tried]


def _refused(who: str, what: str, how: type[GebusError], attempt: Callable[[], None]) -> Refusal:
    try:
        attempt()
    except how as error:
        return Refusal(who, what, refused=True, answer=str(error))
    except GebusError as error:
        return Refusal(who, what, refused=False, answer=f"{type(error).__name__} instead of {how.__name__}: {error}")
    return Refusal(who, what, refused=False, answer="nothing stopped it")


def _sample() -> Event:
    return next(reading for reading in PeopleSource(_PARTY).read() if isinstance(reading, Event))


def _encoded(on: Stage, event: Mapping[str, Any]) -> Encoded:
    contract, schema = on.catalogue.topics[_TOPIC], on.catalogue.events[_TOPIC]
    with Registry(on.connection(_PARTY)) as registry:
        schema_id = registered_id(registry, contract, schema)
    return EventEncoder(contract, schema, schema_id).encode(event)


def _send(on: Stage, event: Mapping[str, Any], party: str = _PARTY) -> None:
    with Publisher(on.connection(party), on.catalogue, party) as publisher:
        publisher.send(_TOPIC, {name: value for name, value in event.items() if party == _PARTY or name != "source"})


def _write(on: Stage, event: Mapping[str, Any]) -> None:
    connection, topic = on.connection("xinwen"), on.catalogue.topics[_TOPIC].kafka_topic(_PARTY)
    good = _encoded(on, event)
    with closing(open_producer(connection)) as producer, told(connection, f"to write {topic}"):
        producer.send(topic, good.value, good.key).get(timeout=30)


def _read(on: Stage, consumer: str, feed: str) -> None:
    with Subscriber(on.connection(consumer), [feed]) as subscriber:
        subscriber.poll(1.0)


def _join(on: Stage) -> None:
    connection = on.connection("ditu")
    consumer = open_consumer(connection, "hubei-health.desk", ["feed.ditu.clinics"])
    with closing(consumer), told(connection, "to join hubei-health.desk"):
        consumer.poll(5_000)


def _tap(on: Stage, who: str, topic: str) -> None:
    connection = on.connection(who)
    with closing(open_consumer(connection)) as consumer, told(connection, f"to read {topic}"):
        consumer.end_offsets([TopicPartition(topic, 0)])


def _register(on: Stage) -> None:
    with Registry(on.connection("xinwen")) as registry:
        registry.register(on.catalogue.topics[_TOPIC].subject, '"string"')


def _wrong_password(on: Stage) -> None:
    connection = replace(on.connection("hubei-civil"), password=SecretStr("a guess"))
    open_producer(connection).close()
