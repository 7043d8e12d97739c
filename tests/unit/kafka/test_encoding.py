"""The wire form of an event, and its schema's id."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gebus.kafka.decoding import FeedDecoder
from gebus.kafka.encoding import LARGEST_EVENT, EventEncoder, registered_id
from gebus.kafka.registry import Version
from gebus.model.catalogue import Catalogue
from gebus.model.errors import EventRefused, NotFound

TOPIC = "market.price_report"
EVENT: dict[str, Any] = {
    "event_id": "e",
    "entity_id": "a|b",
    "revision": 0,
    "status": "ASSERTED",
    "occurred_at": datetime(2020, 2, 1, tzinfo=UTC),
    "published_at": 1_580_515_200_000,
    "source": "shop",
    "region": "420100",
    "product": "口罩",
    "category": "MASK",
    "price": Decimal("12.5"),
}


class FakeRegistry:
    """The versions of one subject."""

    def __init__(self, *schemas: str) -> None:
        self._schemas = schemas

    def versions(self, subject: str) -> list[int]:
        if not self._schemas:
            raise NotFound(subject)
        return list(range(1, len(self._schemas) + 1))

    def version(self, subject: str, number: int) -> Version:
        return Version(subject, number, 100 + number, self._schemas[number - 1])


def test_an_event_is_its_key_and_magic_id_avro(catalogue: Catalogue) -> None:
    contract, schema = catalogue.topics[TOPIC], catalogue.events[TOPIC]
    encoded = EventEncoder(contract, schema, 258).encode(EVENT)
    assert encoded.key == rb"a\|b"
    assert encoded.value[:5] == b"\x00\x00\x00\x01\x02"
    decoded = FeedDecoder(lambda _: json.dumps(schema.avro)).decode(encoded.value)
    assert {name: decoded[name] for name in EVENT} == EVENT | {"published_at": EVENT["occurred_at"]}
    assert (decoded["stock"], decoded["on_offer"], decoded["sellers"]) == (None, False, [])


def test_an_event_that_is_too_large_is_refused(catalogue: Catalogue) -> None:
    encoder = EventEncoder(catalogue.topics[TOPIC], catalogue.events[TOPIC], 1)
    with pytest.raises(EventRefused, match=rf"10\d{{5}} bytes of key and Avro; allowed: at most {LARGEST_EVENT}"):
        encoder.encode({**EVENT, "photo": bytes(1_000_000)})
    with pytest.raises(EventRefused, match="bytes of key and Avro"):
        encoder.encode({**EVENT, "entity_id": "k" * 600_000})


def test_the_id_is_that_of_exactly_this_schema(catalogue: Catalogue) -> None:
    contract, schema = catalogue.topics[TOPIC], catalogue.events[TOPIC]
    ours, other = json.dumps(schema.avro, indent=1), json.dumps({**schema.avro, "doc": "another"})
    assert registered_id(FakeRegistry(other, ours, other), contract, schema) == 102  # type: ignore[arg-type]  # a fake


@pytest.mark.parametrize("others", [[], ['{"type": "record", "name": "X", "fields": []}']])
def test_a_schema_that_is_not_registered_says_what_to_do(catalogue: Catalogue, others: list[str]) -> None:
    with pytest.raises(NotFound, match=rf"no version of {TOPIC}-value .*{len(others)} others.*gebus apply"):
        registered_id(FakeRegistry(*others), catalogue.topics[TOPIC], catalogue.events[TOPIC])  # type: ignore[arg-type]  # a fake
