"""Every kind of bad input has its own reason, and costs no other record."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.kernel.support import (
    DAY,
    NOW,
    SCHEMA,
    Fake,
    Lane,
    avro,
    dead,
    event,
    header,
    message,
    records,
    schema,
)

GOOD = avro(event())
KEY = b"shop-0"


def changed(**changes: Any) -> Fake:
    return message(event(**changes))


def at(field: str) -> int:
    """Where a field of the good record starts."""
    names = [item["name"] for item in SCHEMA["fields"]]
    known = dict(event())
    short = schema(*SCHEMA["fields"][8 : names.index(field)]) if names.index(field) >= 8 else None
    if short is None:
        short = {**SCHEMA, "fields": SCHEMA["fields"][: names.index(field)]}
    return len(avro({name: known[name] for name in names[: names.index(field)]}, short))


def broken(field: str, instead: bytes, length: int) -> Fake:
    """The good record with the first bytes of a field exchanged."""
    start = at(field)
    return Fake(header() + GOOD[:start] + instead + GOOD[start + length :], KEY)


BAD = {
    "tombstone": (Fake(None, KEY), "tombstone", ""),
    "empty value": (Fake(b"", KEY), "short", ""),
    "no schema id": (Fake(b"\0\0\0\0", KEY), "short", ""),
    "wrong magic": (Fake(b"\1" + header()[1:] + GOOD, KEY), "not_avro", ""),
    "JSON": (Fake(json.dumps(event()).encode(), KEY), "not_avro", ""),
    "too large": (Fake(header() + bytes(1 << 20), KEY), "too_large", ""),
    "truncated": (Fake(header() + GOOD[:-3], KEY), "truncated", "phone"),
    "nothing after the header": (Fake(header(), KEY), "truncated", "event_id"),
    "trailing bytes": (Fake(header() + GOOD + b"\0", KEY), "trailing_bytes", ""),
    "union index": (broken("phone", b"\4", 1), "bad_union", "phone"),
    "negative union index": (broken("phone", b"\1", 1), "bad_union", "phone"),
    "not UTF-8": (broken("category", b"\x08\xff\xfe\xfd\xfc", 5), "bad_utf8", "category"),
    "negative length": (broken("category", b"\1", 1), "negative_length", "category"),
    "huge length": (broken("category", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1), "truncated", "category"),
    "number of 11 bytes": (broken("price", b"\xff" * 11, 2), "bad_number", "price"),
    "number longer than needed": (broken("revision", b"\x80\0", 1), "bad_number", "revision"),
    "no key": (Fake(header() + GOOD, None), "wrong_key", ""),
    "another key": (Fake(header() + GOOD, b"shop-1"), "wrong_key", ""),
    "key with more": (Fake(header() + GOOD, KEY + b"|x"), "wrong_key", ""),
    "forged source": (changed(source="ali"), "forged_source", "source"),
    "unknown status": (changed(status="asserted"), "bad_status", "status"),
    "region too short": (changed(region="42010"), "bad_region", "region"),
    "region too long": (changed(region="4201060010012"), "bad_region", "region"),
    "region of letters": (changed(region="42010x"), "bad_region", "region"),
    "region of other digits": (changed(region="４２０１０６"), "bad_region", "region"),
    "empty event id": (changed(event_id=""), "bad_event_id", "event_id"),
    "long event id": (changed(event_id="x" * 257), "bad_event_id", "event_id"),
    "negative revision": (changed(revision=-1), "negative_revision", "revision"),
    "too early": (changed(occurred_at=NOW - 30 * DAY - 1), "too_early", "occurred_at"),
    "earliest number": (changed(occurred_at=-(2**63)), "too_early", "occurred_at"),
    "too late": (changed(occurred_at=NOW + 3_600_001), "too_late", "occurred_at"),
    "latest number": (changed(occurred_at=2**63 - 1), "too_late", "occurred_at"),
}


@pytest.mark.parametrize("case", BAD)
def test_each_bad_record_has_its_reason_and_costs_no_other(case: str) -> None:
    bad, reason, place = BAD[case]
    kernel = Lane().kernel()
    step = kernel.step([message(event(1)), bad, message(event(2))])
    assert dead(step) == [(1, reason, place)]
    assert [record["event_id"] for record in records(step)] == ["evt-000001", "evt-000002"]
    assert step.blocked == []
    assert step.dead[0].detail
    assert "13812345678" not in step.dead[0].detail


def test_a_wrong_time_is_told_with_what_is_allowed() -> None:
    step = Lane().kernel().step([changed(occurred_at=NOW + 3_600_001)])
    found, first, last = (
        datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for ms in (NOW + 3_600_001, NOW - 30 * DAY, NOW + 3_600_000)
    )
    assert f"found {found}, allowed {first} to {last}" in step.dead[0].detail


@pytest.mark.parametrize(
    ("occurred_ms", "shown"),
    [
        (-62_135_596_800_000, "0001-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (-(2**63), "-292275055-05-16T16:47:04Z"),
    ],
)
def test_a_time_long_ago_is_a_date_too(occurred_ms: int, shown: str) -> None:
    step = Lane().kernel().step([changed(occurred_at=occurred_ms)])
    assert f"found {shown}, allowed " in step.dead[0].detail


def test_the_limits_of_time_and_length_are_inclusive() -> None:
    edge = [
        changed(occurred_at=NOW - 30 * DAY),
        changed(occurred_at=NOW + 3_600_000),
        changed(event_id="x" * 256),
        changed(region="420106"),
        changed(region="420106001001"),
    ]
    assert dead(Lane().kernel().step(edge)) == []


def hostile(kind: Any, body: bytes, reason: str) -> None:
    """A record that ends with a field of this type and these bytes is dead for this reason, and soon."""
    source = schema({"name": "extra", "type": kind})
    kernel = Lane(source=source).kernel()
    start = avro({name: value for name, value in event().items() if name in ENVELOPE_NAMES}, schema())
    begin = time.perf_counter()
    step = kernel.step([Fake(header() + start + body, KEY)])
    assert time.perf_counter() - begin < 0.5
    assert dead(step) == [(0, reason, "extra")]


ENVELOPE_NAMES = {item["name"] for item in SCHEMA["fields"][:8]}
HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
NESTED = {"type": "record", "name": "Nested", "fields": [{"name": "next", "type": ["null", "Nested"]}]}


def test_a_huge_count_of_nulls_is_not_counted_to() -> None:
    hostile({"type": "array", "items": "null"}, HUGE + b"\0", "too_many_elements")


def test_a_huge_count_of_empty_records_is_not_counted_to() -> None:
    empty = {"type": "record", "name": "Empty", "fields": []}
    hostile({"type": "array", "items": empty}, HUGE + b"\0", "too_many_elements")


def test_a_huge_map_is_not_counted_to() -> None:
    hostile({"type": "map", "values": "null"}, HUGE + b"\0", "too_many_elements")


def test_a_negative_block_size_is_refused() -> None:
    hostile({"type": "array", "items": "int"}, b"\x01\x01", "negative_length")


def test_twenty_thousand_levels_are_not_followed() -> None:
    hostile(NESTED, b"\x02" * 20_000 + b"\0", "too_deep")


def test_an_enum_and_a_boolean_are_checked() -> None:
    hostile({"type": "enum", "name": "Colour", "symbols": ["RED"]}, b"\x02", "bad_enum")
    hostile("boolean", b"\x02", "bad_boolean")


def test_a_refused_schema_makes_dead_letters_with_its_reason() -> None:
    kernel = Lane().kernel()
    kernel.refuse_schema("market.price_report", 9, "foreign_schema")
    step = kernel.step([message(event(1), schema_id=9), message(event(2))])
    assert dead(step) == [(0, "foreign_schema", "")]
    assert len(records(step)) == 1


def test_two_thousand_random_and_cut_records_end_nothing() -> None:
    kernel = Lane().kernel()
    cut = [Fake(header() + GOOD[:length], KEY) for length in range(len(GOOD))]
    flipped = [
        Fake(header() + GOOD[:index] + bytes([GOOD[index] ^ bit]) + GOOD[index + 1 :], KEY)
        for index in range(len(GOOD))
        for bit in (1, 2, 4, 8, 16, 32, 64, 128)
    ]
    step = kernel.step([*cut, *flipped])
    assert len(step.dead) + len(records(step)) == len(cut) + len(flipped)
    assert len(step.dead) >= len(cut)
