"""What is delivered: copied ranges, masked values, one payload for feeds that are the same."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from gebus_kernel import Kernel
from tests.unit.kernel.support import (
    ENVELOPE_COPIED,
    FIELDS,
    Feed,
    Lane,
    avro,
    copied,
    event,
    header,
    message,
    records,
    schema,
    values,
)

OPTIONAL = ["null", "string"]
DATE = {"type": "int", "logicalType": "date"}
INSTANT = {"type": "long", "logicalType": "timestamp-millis"}


def masked(kind: Any, output: Any, mask: dict[str, Any] | None, value: Any, **envelope: Any) -> Any:
    """What becomes of one field's value under a mask."""
    source = schema({"name": "extra", "type": kind})
    selected = {"name": "shown", "path": ["extra"], "type": output, "mask": mask}
    kernel = Lane([Feed(fields=[*ENVELOPE_COPIED, selected])], source=source).kernel()
    step = kernel.step([message(event(extra=value, **envelope), source)])
    assert [letter.detail for letter in step.dead] == []
    return records(step, schema({"name": "shown", "type": output}))[0]["shown"]


def test_the_whole_event_is_delivered_byte_for_byte_under_the_feeds_schema_and_the_messages_own_key() -> None:
    sent = message(event())
    step = Lane().kernel().step([sent])
    ((topic, (output,)),) = step.outputs
    assert topic == "feed.cdc.masks"
    assert output == {"value": header(100) + avro(event()), "key": b"shop-0"}
    assert output["key"] is sent.kafka_key


def test_fields_are_in_the_order_of_the_select_under_their_new_names() -> None:
    price = {"name": "cents", "path": ["price"], "type": "long", "mask": None}
    chosen = [*ENVELOPE_COPIED, copied(FIELDS[2]), price, copied(FIELDS[0])]
    step = Lane([Feed(fields=chosen)]).kernel().step([message(event())])
    read = schema(FIELDS[2], {"name": "cents", "type": "long"}, FIELDS[0])
    found = records(step, read)[0]
    assert list(found)[8:] == ["phone", "cents", "category"]
    assert (found["phone"], found["cents"], found["category"]) == ("13812345678", 2500, "MASK")


def test_null_hides_whatever_is_there() -> None:
    assert masked("string", OPTIONAL, {"kind": "null"}, "张三") is None
    assert masked(["null", "long"], ["long", "null"], {"kind": "null"}, 5) is None


def test_fixed_replaces_a_value_and_leaves_null() -> None:
    fixed = {"kind": "fixed", "value": "已脱敏"}
    assert masked("long", "string", fixed, 5) == "已脱敏"
    assert masked(["null", "long"], OPTIONAL, fixed, None) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [("13812345678", "138****5678"), ("1381234", "*******"), ("一二三四五六七八九", "一二三**六七八九"), ("", "")],
)
def test_partial_keeps_the_ends(value: str, shown: str) -> None:
    assert masked("string", "string", {"kind": "partial", "first": 3, "last": 4}, value) == shown


def test_division_keeps_the_upper_levels_and_nothing_of_what_is_no_code() -> None:
    division = {"kind": "division", "digits": 2}
    assert masked("string", "string", division, "420106") == "420000"
    assert masked("string", "string", division, "420106003") == "420000000"
    assert masked("string", "string", division, "武汉市") == "000"


@pytest.mark.parametrize(("unit", "first"), [("day", 18293), ("month", 18293), ("year", 18262)])
def test_a_date_is_cut_to_its_unit(unit: str, first: int) -> None:
    days = masked(DATE, "int", {"kind": "date", "unit": unit}, 18293)
    assert days == first


def test_an_instant_is_cut_to_its_unit_and_floored_before_1970_too() -> None:
    def cut(value: int, unit: str) -> Any:
        return masked(INSTANT, "long", {"kind": "instant", "unit": unit}, value)

    assert cut(1_580_601_723_004, "day") == 1_580_601_600_000
    assert cut(1_580_601_723_004, "month") == 1_580_515_200_000
    assert cut(-1, "year") == -31_536_000_000
    assert cut(-(2**63), "day") == -(2**63)


@pytest.mark.parametrize(("value", "shown"), [(25, 20), (20, 20), (-1, -10), (-10, -10), (-(2**63), -(2**63))])
def test_a_band_floors_toward_minus_infinity(value: int, shown: int) -> None:
    assert masked("long", "long", {"kind": "band", "width": 10}, value) == shown


def test_a_band_of_an_int_stays_an_int_and_of_a_double_a_double() -> None:
    assert masked("int", "int", {"kind": "band", "width": 10}, -(2**31)) == -(2**31)
    assert masked("double", "double", {"kind": "band", "width": 10}, -0.5) == -10.0


def token(key: bytes, value: bytes) -> str:
    """Of a key that holds for good: the period has no name."""
    return hmac.new(hmac.new(key, b"", hashlib.sha256).digest(), value, hashlib.sha256).hexdigest()[:32]


def test_a_token_is_keyed_by_feed() -> None:
    secret = b"secret of cdc/masks"
    assert masked("string", "string", {"kind": "token"}, "张三") == token(secret, "张三".encode())
    assert masked("long", "string", {"kind": "token"}, -5) == token(secret, b"-5")
    assert masked(OPTIONAL, OPTIONAL, {"kind": "token"}, None) is None


def test_feeds_with_equal_fields_share_a_payload_unless_it_holds_tokens() -> None:
    fields = [*ENVELOPE_COPIED, copied(FIELDS[0])]
    tokens = [*ENVELOPE_COPIED, copied(FIELDS[0], mask={"kind": "token"})]
    feeds = [
        Feed("a/x", fields=fields),
        Feed("b/x", fields=fields),
        Feed("a/t", fields=tokens),
        Feed("b/t", fields=tokens),
    ]
    kernel = Lane(feeds).kernel()
    step = kernel.step([message(event())])
    first, second, third, fourth = (values(step, f"feed.{name}")[0] for name in ("a.x", "b.x", "a.t", "b.t"))
    assert (first[:5], second[:5]) == (header(100), header(101))
    assert first[5:] == second[5:]
    assert third[5:] != fourth[5:]
    assert len(third) == len(fourth)


def test_a_field_inside_a_record_that_may_be_null() -> None:
    place = {
        "type": "record",
        "name": "Place",
        "fields": [{"name": "no", "type": "int"}, {"name": "city", "type": "string"}],
    }
    source = schema({"name": "place", "type": ["null", place]})
    city = {"name": "city", "path": ["place", "city"], "type": OPTIONAL, "mask": None}
    hidden = city | {"name": "hidden", "mask": {"kind": "partial", "first": 1, "last": 0}}
    kernel = Lane([Feed(fields=[*ENVELOPE_COPIED, city, hidden])], source=source).kernel()
    step = kernel.step([message(event(place={"no": 7, "city": "武汉"}), source), message(event(place=None), source)])
    read = schema({"name": "city", "type": OPTIONAL}, {"name": "hidden", "type": OPTIONAL})
    assert [(found["city"], found["hidden"]) for found in records(step, read)] == [("武汉", "武*"), (None, None)]


@pytest.mark.parametrize(
    ("selected", "found"),
    [
        ({"path": ["nowhere"], "type": "string"}, "the source has no field `nowhere` there"),
        ({"path": [], "type": "string"}, "a path is empty"),
        ({"path": ["price"], "type": "string"}, "its type in the output is not its type in the source"),
        ({"path": ["phone"], "type": "string"}, "can be null in the source"),
        ({"path": ["price"], "type": "long", "mask": {"kind": "null"}}, "always null has a type that allows null"),
        ({"path": ["price"], "type": "long", "mask": {"kind": "token"}}, "is not what the mask makes"),
        ({"path": ["price"], "type": "string", "mask": {"kind": "partial"}}, "is not for a field of this type"),
        (
            {"path": ["price"], "type": "long", "mask": {"kind": "date", "unit": "day"}},
            "is not for a field of this type",
        ),
        ({"path": ["price"], "type": "long", "mask": {"kind": "instant", "unit": "day"}}, "is for timestamp-millis"),
        ({"path": ["occurred_at"], "type": INSTANT, "mask": {"kind": "instant", "unit": "week"}}, "the unit `week`"),
        ({"path": ["price"], "type": "long", "mask": {"kind": "band"}}, "a band is at least 1 wide"),
        ({"path": ["price"], "type": "long", "mask": {"kind": "drop"}}, "the mask `drop` is unknown"),
    ],
)
def test_a_select_that_cannot_be_is_refused_with_its_place(selected: dict[str, Any], found: str) -> None:
    field = {"name": "shown", "mask": None} | selected
    plan = Lane([Feed(fields=[*ENVELOPE_COPIED, field])]).json()
    with pytest.raises(ValueError, match=r"lane market\.price_report: feed cdc/masks: ") as caught:
        Kernel([plan])
    assert found in str(caught.value)
