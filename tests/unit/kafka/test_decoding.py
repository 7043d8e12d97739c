"""From a feed's bytes to a record, within limits."""

from __future__ import annotations

import io
import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest

from gebus.kafka.decoding import KEPT_SCHEMAS, LARGEST_RECORD, FeedDecoder, Undecodable
from gebus.model.errors import Stopped, Unavailable

INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
DATE = {"type": "int", "logicalType": "date"}
ID = {"type": "string", "logicalType": "uuid"}


def record(**types: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in types.items()]}


def encoded(avro: dict[str, Any], value: dict[str, Any], schema_id: int = 7) -> bytes:
    buffer = io.BytesIO()
    buffer.write(b"\x00" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(avro), value)
    return buffer.getvalue()


def decoder(avro: dict[str, Any]) -> FeedDecoder:
    return FeedDecoder(lambda _: json.dumps(avro))


def test_logical_types_come_as_what_they_mean_at_any_depth() -> None:
    avro = record(
        at=INSTANT,
        price=["null", DECIMAL],
        days={"type": "array", "items": DATE},
        ids={"type": "map", "values": ID},
        inner={"type": "record", "name": "I", "fields": [{"name": "day", "type": ["null", DATE]}]},
        plain={"type": "string"},
    )
    value = {
        "at": datetime(2020, 2, 1, 8, tzinfo=UTC),
        "price": Decimal("-12.50"),
        "days": [date(2020, 2, 1)],
        "ids": {"run": UUID(int=5)},
        "inner": {"day": date(1969, 12, 31)},
        "plain": "x",
    }
    assert decoder(avro).decode(encoded(avro, value)) == value
    assert decoder(avro).decode(encoded(avro, {**value, "price": None}))["price"] is None


@pytest.mark.parametrize(
    ("logical", "plain", "value"),
    [
        (INSTANT, "long", 2**62),
        (INSTANT, "long", -(2**62)),
        (DATE, "int", 2**31 - 1),
        (ID, "string", "no id"),
        (DECIMAL, "bytes", b"\x7f" * 500_000),
    ],
    ids=["far future", "far past", "day", "id", "decimal"],
)
def test_a_value_that_its_logical_type_cannot_hold_stays_plain(logical: Any, plain: str, value: Any) -> None:
    data = encoded(record(x=plain, n="long"), {"x": value, "n": 1})
    assert decoder(record(x=logical, n="long")).decode(data) == {"x": value, "n": 1}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "not 0x00"),
        (b"", "not 0x00"),
        (b"\x00\x00\x00", "not 0x00"),
        (b"\x01\x00\x00\x00\x07\x02a", "not 0x00"),
        (b"\x00\x00\x00\x00\x07\x08ab", "not Avro of schema 7: EOFError"),
        (b"\x00\x00\x00\x00\x07\x02\xff", "not Avro of schema 7: UnicodeDecodeError"),
        (b"\x00\x00\x00\x00\x07\x02ab", "1 bytes after the end of a record of schema 7"),
        (b"\x00" * (LARGEST_RECORD + 1), "more than 1048576"),
    ],
)
def test_what_is_no_record_is_said_without_its_payload(data: bytes | None, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        decoder(record(name="string")).decode(data)


def test_random_bytes_end_in_a_record_or_in_undecodable() -> None:
    avro = record(a=["null", "string"], b={"type": "array", "items": "long"}, c={"type": "map", "values": "bytes"})
    under_test = decoder(avro)
    for seed in range(2000):
        chance = random.Random(seed)
        data = b"\x00\x00\x00\x00\x07" + chance.randbytes(chance.randrange(40))
        try:
            under_test.decode(data)
        except Undecodable:
            continue


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}},
        {"type": "map", "values": {"type": "fixed", "name": "F", "size": 0}},
        {"type": "array", "items": "R"},
    ],
    ids=["nulls", "empty records", "empty fixed", "recursion"],
)
def test_a_schema_whose_records_could_take_any_memory_is_refused(kind: Any) -> None:
    with pytest.raises(Stopped, match=r"schema 7\.bomb.*feeds of this bus have none"):
        decoder(record(bomb=kind)).decode(b"\x00\x00\x00\x00\x07\xfe\xff\xff\xff\x0f")


def test_a_schema_that_is_no_record_is_refused() -> None:
    with pytest.raises(Stopped, match="schema 7 of the registry is no record"):
        FeedDecoder(lambda _: '"string"').decode(b"\x00\x00\x00\x00\x07\x02a")


def test_each_schema_is_asked_for_once_and_few_are_kept() -> None:
    asked: list[int] = []

    def schema_of(schema_id: int) -> str:
        asked.append(schema_id)
        return json.dumps(record(name="string"))

    under_test = FeedDecoder(schema_of)
    for schema_id in (1, 1, 2, 1):
        under_test.decode(encoded(record(name="string"), {"name": "a"}, schema_id))
    assert asked == [1, 2]
    for schema_id in range(3, KEPT_SCHEMAS + 2):
        under_test.decode(encoded(record(name="string"), {"name": "a"}, schema_id))
    under_test.decode(encoded(record(name="string"), {"name": "a"}, 1))
    assert asked.count(1) == 2
    assert asked.count(2) == 1


def test_a_registry_that_does_not_answer_is_no_bad_record() -> None:
    def schema_of(_: int) -> str:
        raise Unavailable("down")

    with pytest.raises(Unavailable):
        FeedDecoder(schema_of).decode(b"\x00\x00\x00\x00\x07\x02a")
