"""Hostile bytes: whatever they are, the kernel lives, and says of them what the oracle's own reader says."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.property.conftest import looks
from tests.property.schemas import event_fields, foreign_types, values
from tests.property.verdict import compare

from gebus.model.key import encode_key
from gebus.plan import lanes
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.messages import Encoder, raw
from gebus.testing.oracle import Oracle
from gebus.testing.strict_avro import Undecodable, check
from gebus.testing.topology import Topology, token_key

FOREIGN_ID = 7
HEAD = b"\0" + FOREIGN_ID.to_bytes(4, "big")
GOOD: dict[str, Any] = {
    "event_id": "e1",
    "entity_id": "shop",
    "revision": 0,
    "status": "ASSERTED",
    "occurred_at": START_MS,
    "published_at": START_MS,
    "source": "jd",
    "region": "420100",
}
ENVELOPE = build.event_schema("Report", []).avro["fields"]


def schema_with(*fields: Any) -> Any:
    """The envelope, and behind it what only the writer knows."""
    behind = [{"name": f"y{index}", "type": avro} for index, avro in enumerate(fields)]
    return {"type": "record", "name": "Report", "fields": [*ENVELOPE, *behind]}


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    """The bytes with a few places changed, cut off, doubled or filled with what a reader may stumble over."""
    bad = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(bad)))
        match draw(st.sampled_from(["flip", "insert", "cut", "end", "again"])):
            case "flip" if at < len(bad):
                bad[at] = draw(st.sampled_from([0, 1, 2, 3, 0x7F, 0x80, 0xFF, bad[at] ^ 1]))
            case "insert":
                bad[at:at] = draw(
                    st.sampled_from([b"\xff" * 9 + b"\x01", b"\x80\x00", b"\x01", b"\xfe\xff\xff\x07", b"\0\0"])
                )
            case "cut":
                del bad[at : at + draw(st.integers(1, 4))]
            case "end":
                del bad[at:]
            case _:
                bad[at:at] = bad[: draw(st.integers(0, 8))]
    return bytes(bad)


@st.composite
def hostile(draw: st.DrawFn) -> tuple[list[dict[str, Any]], Any, list[bytes]]:
    """The source's fields, a writer schema of any Avro, and bodies that may or may not be records of it."""
    own = draw(event_fields())
    names = count(1000)
    foreign = draw(st.lists(foreign_types(names), min_size=1, max_size=3))
    fields = build.event_schema("Report", own).avro["fields"]
    behind = [{"name": f"y{index}", "type": avro} for index, avro in enumerate(foreign)]
    schema = {"type": "record", "name": "Report", "fields": [*fields, *behind]}
    encoder = Encoder(schema, FOREIGN_ID)
    bodies = []
    for _ in range(draw(st.integers(1, 6))):
        record = GOOD | {field["name"]: draw(values(field["type"])) for field in [*fields[8:], *behind]}
        good = encoder.encode(record)[5:]
        bodies.append(draw(st.one_of(st.just(good), mutated(good), mutated(good), st.binary(max_size=60))))
    return own, schema, bodies


@looks(100)
@given(hostile())
def test_random_and_mutated_bytes(case: tuple[list[dict[str, Any]], Any, list[bytes]]) -> None:
    own, schema, bodies = case
    steps = [{"select": {"name": "out", "fields": {field["name"]: f"e.{field['name']}" for field in own}}}]
    catalogue = build.catalogue(build.event_schema("Report", own), [build.feed(steps)])
    lane = lanes(catalogue)[0]
    topology, oracle = Topology(lane), Oracle(catalogue, token_key)
    topology.know_schema(FOREIGN_ID, json.dumps(schema))
    oracle.know_schema(FOREIGN_ID, schema)
    for body in bodies:
        topology.publish_bytes(encode_key(["shop"]), HEAD + body, "jd", START_MS)
    topology.run()
    for message in topology.committed.taken:
        oracle.take(message)
    compare(topology, oracle)
    event("dead" if topology.committed.dead else "alive")


NULLS = {"type": "array", "items": "null"}
EMPTY = {"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}}
NESTED = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "inner", "type": {"type": "array", "items": "Node"}}],
}
MILLION = b"\x80\x89\x7a"
"""A block of a million elements."""


@pytest.mark.parametrize(
    ("avro", "tail", "reason"),
    [
        (NULLS, MILLION + b"\0", "too_many_elements"),
        (NULLS, b"\xfe" + b"\xff" * 8 + b"\x01" + b"\0", "too_many_elements"),
        (NULLS, b"\xff" * 9 + b"\x01" + b"\0\0", "too_many_elements"),
        (EMPTY, MILLION + b"\0", "too_many_elements"),
        (NESTED, b"\x02" * 20_000 + b"\0" * 20_001, "too_deep"),
        (NESTED, b"\x02" * 40 + b"\0" * 41, "too_deep"),
        ({"type": "map", "values": "null"}, b"\x02\x01", "negative_length"),
        ("string", b"\xfe\xff\xff\xff\x0f", "truncated"),
        ("string", b"\x04\xff\xfe", "bad_utf8"),
        ("boolean", b"\x02", "bad_boolean"),
        (["null", "long"], b"\x04", "bad_union"),
        (["null", "long"], b"\x01", "bad_union"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02", "bad_enum"),
        ("long", b"\xff" * 9 + b"\x02", "bad_number"),
        ("int", b"\x80\x80\x80\x80\x20", "bad_number"),
        ("long", b"\x80\x00", "bad_number"),
        ("long", b"\0\0", "trailing_bytes"),
        ("double", b"\0" * 7, "truncated"),
        ("bytes", b"", "truncated"),
    ],
)
def test_one_defect_has_one_reason(avro: Any, tail: bytes, reason: str) -> None:
    """And costs no other record."""
    catalogue = build.catalogue(
        build.event_schema("Report", []), [build.feed([{"select": {"name": "out", "fields": {"id": "e.event_id"}}}])]
    )
    topology = Topology(lanes(catalogue)[0])
    topology.know_schema(FOREIGN_ID, json.dumps(schema_with(avro)))
    envelope = Encoder(schema_with(), FOREIGN_ID).encode(GOOD)
    topology.publish(GOOD | {"event_id": "before"}, "jd")
    topology.publish_bytes(encode_key(["shop"]), envelope + tail, "jd")
    topology.publish(GOOD | {"event_id": "after"}, "jd")
    topology.run()
    assert [letter.reason for letter in topology.committed.dead] == [reason]
    assert [one["id"] for one in topology.delivered("cdc/dear")] == ["before", "after"]
    with pytest.raises(Undecodable) as verdict:
        check(envelope[5:] + tail, raw(schema_with(avro)))
    assert verdict.value.reason == reason


def block(count: int) -> bytes:
    """The head of a block of so many elements."""
    long = {"type": "record", "name": "Long", "fields": [{"name": "count", "type": "long"}]}
    return Encoder(long, 0).encode({"count": count})[5:]


@pytest.mark.parametrize(
    ("avro", "tail"),
    [
        *((NESTED, b"\x02" * levels + b"\0" * (levels + 1)) for levels in range(29, 34)),
        *((NULLS, block(elements) + b"\0") for elements in (65_535, 65_536, 65_537)),
    ],
)
def test_both_draw_the_line_at_the_same_place(avro: Any, tail: bytes) -> None:
    catalogue = build.catalogue(
        build.event_schema("Report", []), [build.feed([{"select": {"name": "out", "fields": {"id": "e.event_id"}}}])]
    )
    topology = Topology(lanes(catalogue)[0])
    topology.know_schema(FOREIGN_ID, json.dumps(schema_with(avro)))
    envelope = Encoder(schema_with(), FOREIGN_ID).encode(GOOD)
    topology.publish_bytes(encode_key(["shop"]), envelope + tail, "jd")
    topology.run()
    try:
        check(envelope[5:] + tail, raw(schema_with(avro)))
        expected = []
    except Undecodable as error:
        expected = [error.reason]
    assert [letter.reason for letter in topology.committed.dead] == expected
