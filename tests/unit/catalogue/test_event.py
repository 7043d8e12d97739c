"""One event against its contract: what fits, what is refused, and under which path."""

from __future__ import annotations

import copy
import io
import json
import time
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from gebus.catalogue import EventValidator, load
from gebus.catalogue.avro_values import WrongValue, compile_check
from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import EventRefused

TINY = Path(__file__).parent / "tiny"

EVENT: dict[str, Any] = {
    "event_id": "e1",
    "entity_id": "shop-1",
    "revision": 0,
    "status": "ASSERTED",
    "occurred_at": datetime(2020, 2, 1, tzinfo=UTC),
    "published_at": 1_580_515_200_000,
    "source": "jd",
    "region": "420100",
    "goods": "mask",
    "price": Decimal("19.90"),
    "pieces": 120,
    "offers": [{"shop": "A", "quantity": 3}, {"shop": "B"}],
    "seen_on": date(2020, 2, 1),
    "reporter_phone": "13800000042",
}


@pytest.fixture(scope="module")
def validator() -> EventValidator:
    catalogue = load(TINY)
    topic = "market.price_report"
    return EventValidator(catalogue.topics[topic], catalogue.events[topic], catalogue.codes)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The event with another value at a path such as `offers.0.shop`."""
    event = copy.deepcopy(EVENT)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target: Any = event
    for parent in parents:
        target = target[parent]
    target[last] = value
    return event


def test_an_event_that_fits_passes_and_is_encoded_by_its_schema(validator: EventValidator) -> None:
    validator.check(EVENT)
    schema = fastavro.parse_schema(json.loads((TINY / "events/market/PriceReport.avsc").read_text()))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, EVENT)
    buffer.seek(0)
    back = fastavro.schemaless_reader(buffer, schema, None)
    assert isinstance(back, dict)
    assert back["occurred_at"] == EVENT["occurred_at"]
    assert back["offers"][1] == {"shop": "B", "quantity": None}


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("event_id", "", "event_id", ("an id of 0 bytes", "1 to 256 bytes")),
        ("event_id", "事" * 86, "event_id", ("an id of 258 bytes", "1 to 256 bytes")),
        ("revision", -1, "revision", ("-1", "0 or more")),
        ("revision", 2**63, "revision", ("an integer out of range", "an integer of 64 bits")),
        ("revision", True, "revision", ("a boolean", "an integer of 64 bits")),
        ("status", "DELETED", "status", ("'DELETED'", "ASSERTED, CORRECTED, RETRACTED")),
        ("source", "taobao", "source", ("'taobao'", "a publisher of market.price_report: jd")),
        ("region", "42", "region", ("'42'", "a GB/T 2260 code of 6 to 12 digits")),
        ("region", "42010０", "region", ("'42010０'", "a GB/T 2260 code of 6 to 12 digits")),
        ("occurred_at", datetime(2020, 2, 1), "occurred_at", ("without a time zone", "with a time zone")),  # noqa: DTZ001 - the case itself
        ("occurred_at", "2020-02-01", "occurred_at", ("text", "a datetime with a time zone")),
        ("seen_on", datetime(2020, 2, 1, tzinfo=UTC), "seen_on", ("a datetime", "a date, or")),
        ("seen_on", 2**31, "seen_on", ("an integer out of range", "32 bits")),
        ("price", 19.9, "price", ("a float", "a Decimal of at most 12 digits, 2 of them")),
        ("price", Decimal("19.901"), "price", ("too many digits", "12 digits")),
        ("price", Decimal("12345678901"), "price", ("too many digits", "12 digits")),
        ("offers", ({"shop": "A"},), "offers", ("a list", "a list")),
        ("price", Decimal("NaN"), "price", ("not finite", "12 digits")),
        ("pieces", None, "pieces", ("null", "an integer of 32 bits")),
        ("pieces", 2**31, "pieces", ("an integer out of range", "32 bits")),
        ("offers", "A", "offers", ("text", "a list")),
        ("offers.0", "A", "offers[0]", ("text", "a mapping")),
        ("offers.0.quantity", "3", "offers[0].quantity", ("text", "an integer of 64 bits, or null")),
        ("offers.1.shop", None, "offers[1].shop", ("null", "text")),
        ("offers.1.shops", "B", "offers[1].shops", ("an unknown field", "did you mean `shop`?")),
        ("offers.1.shop", "half \ud83d", "offers[1].shop", ("half a surrogate pair", "UTF-8")),
        ("reporter_phone", 13800000042, "reporter_phone", ("an integer", "text, or null")),
        ("reporter", "x", "reporter", ("an unknown field", "did you mean")),
        ("goods", "masks", "goods", ("'masks'", "a code of goods that is valid on the day of occurred_at")),
    ],
)
def test_what_does_not_fit_is_refused_under_its_path(
    path: str, value: Any, where: str, says: tuple[str, str], validator: EventValidator
) -> None:
    with pytest.raises(EventRefused) as caught:
        validator.check(changed(path, value))
    assert caught.value.topic == "market.price_report"
    assert caught.value.path == where
    assert says[0] in caught.value.found
    assert says[1] in caught.value.allowed


def test_a_missing_field_is_refused_unless_it_may_be_null(validator: EventValidator) -> None:
    validator.check({name: value for name, value in EVENT.items() if name not in ("seen_on", "reporter_phone")})
    with pytest.raises(EventRefused, match=r"market\.price_report: goods: missing"):
        validator.check({name: value for name, value in EVENT.items() if name != "goods"})


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_no_event_at_all_is_refused(value: Any, validator: EventValidator) -> None:
    with pytest.raises(EventRefused, match="the event"):
        validator.check(value)


def test_a_code_counts_on_the_day_of_the_event_and_not_on_the_day_it_ends(validator: EventValidator) -> None:
    for occurred_at, fits in (
        (datetime(2020, 2, 29, 23, 59, tzinfo=UTC), True),
        (datetime(2020, 3, 1, tzinfo=UTC), False),
        (datetime(2020, 3, 1, 7, tzinfo=timezone(timedelta(hours=8))), True),
        (datetime(2018, 12, 31, tzinfo=UTC), False),
        (1_551_398_400_000, True),
    ):
        event = {**EVENT, "goods": "pork", "occurred_at": occurred_at}
        if fits:
            validator.check(event)
        else:
            with pytest.raises(EventRefused, match="'pork' outside its validity"):
                validator.check(event)


def test_an_error_shows_no_value_of_a_sensitive_field(validator: EventValidator) -> None:
    with pytest.raises(EventRefused) as caught:
        validator.check(changed("reporter_phone", ["13800000042"]))
    assert "13800000042" not in str(caught.value)


def test_codes_of_fields_within_records_are_checked_and_sensitive_ones_not_shown() -> None:
    catalogue = load(TINY)
    topic = "market.price_report"
    schema = copy.deepcopy(dict(catalogue.events[topic].avro))
    offers = next(field for field in schema["fields"] if field["name"] == "offers")
    offers["type"]["items"]["fields"][0]["codes"] = "goods"
    offers["type"]["items"]["fields"].append(
        {"name": "tags", "type": {"type": "array", "items": "string"}, "codes": "goods"}
    )
    event = {**EVENT, "offers": [{"shop": "mask", "tags": []}, {"shop": "mask", "tags": ["mask", "secret"]}]}
    for level, shown in ((2, True), (3, False)):
        fields = tuple(
            type(field)(field.name, field.type, level, "none", None, None, None, "x")
            for field in catalogue.events[topic].fields
        )
        parsed = type(catalogue.events[topic])("PriceReport", "gebus.market", schema, fields)
        with pytest.raises(EventRefused) as caught:
            EventValidator(catalogue.topics[topic], parsed, catalogue.codes).check(event)
        assert caught.value.path == "offers[1].tags[1]"
        assert ("secret" in str(caught.value)) is shown


def test_json_is_read_as_a_person_writes_it(validator: EventValidator) -> None:
    written = {
        **EVENT,
        "occurred_at": "2020-02-01T08:00:00+08:00",
        "published_at": "2020-02-01T00:00:00Z",
        "seen_on": "2020-02-01",
        "price": "19.90",
    }
    read = validator.from_json(json.loads(json.dumps(written)))
    validator.check(read)
    assert read["occurred_at"] == EVENT["occurred_at"]
    assert (read["seen_on"], read["price"]) == (date(2020, 2, 1), Decimal("19.90"))
    assert validator.from_json("not an event") == "not an event"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("occurred_at", "yesterday", "text that is not an instant"),
        ("occurred_at", "2020-02-01T08:00:00", "text that is not an instant"),
        ("seen_on", "2020-02-30", "text that is not a date"),
        ("price", "cheap", "text that is not a decimal"),
    ],
)
def test_json_text_without_a_meaning_is_refused_under_its_path(
    name: str, text: str, says: str, validator: EventValidator
) -> None:
    with pytest.raises(EventRefused, match=f"market.price_report: {name}: {says}"):
        validator.from_json({**EVENT, name: text})


@pytest.mark.parametrize(
    ("avro", "good", "bad"),
    [
        ("string", ["", "事"], [b"x", 1, None, "\udc00"]),
        ("bytes", [b"", b"x"], ["x", bytearray(b"x")]),
        ("boolean", [True, False], [0, "true"]),
        ("int", [-(2**31), 2**31 - 1], [2**31, 1.0, True]),
        ("float", [0, 1.5, 3.4e38], [3.5e38, float("nan"), "1"]),
        ("double", [1.7e308, -1], [float("inf"), True, 10**400]),
        ({"type": "string"}, ["x"], [1]),
        ({"type": "string", "logicalType": "uuid"}, [str(uuid.uuid4()), uuid.uuid4()], ["x", 1]),
        ({"type": "map", "values": "int"}, [{}, {"a": 1}], [[], {"a": "x"}, {1: 1}]),
        (["null", "int"], [None, 1], ["x"]),
        (
            {"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 4, "scale": 0},
            [Decimal(9999), Decimal("1E+2")],
            [Decimal(10000), Decimal("0.1"), 3],
        ),
    ],
)
def test_each_type_takes_its_values_and_no_others(avro: Any, good: list[Any], bad: list[Any]) -> None:
    check = compile_check(avro)
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(WrongValue):
            check(value)


def test_a_map_is_named_by_its_key_in_the_path() -> None:
    with pytest.raises(WrongValue) as caught:
        compile_check({"type": "map", "values": {"type": "array", "items": "int"}})({"a": [1, "x"]})
    assert caught.value.path == "['a'][1]"


def test_ten_thousand_events_are_checked_in_a_second(validator: EventValidator) -> None:
    begin = time.perf_counter()
    for _ in range(10_000):
        validator.check(EVENT)
    assert time.perf_counter() - begin < 1.5


def test_a_code_with_a_wrong_check_character_is_refused_and_a_sensitive_one_not_shown() -> None:
    catalogue = load(Path(__file__).parents[3] / "schemas")
    topic = "market.merchant"
    example = catalogue.root / "examples" / topic / "examples.jsonl"
    event = json.loads(example.read_text(encoding="utf-8").splitlines()[0])
    schema = catalogue.events[topic]
    sensitive = replace(
        schema, fields=tuple(replace(one, level=3) if one.name == "uscc" else one for one in schema.fields)
    )
    good = EventValidator(catalogue.topics[topic], schema, catalogue.codes)
    good.check(event)
    slip = event | {"uscc": event["uscc"][:-1] + "0"}
    for validator, found in (
        (good, r"uscc: '91110105MA00008830', wrong in character 18, the check character: 0, where the others give X"),
        (
            EventValidator(catalogue.topics[topic], sensitive, catalogue.codes),
            r"uscc: a USCC, 91110105\*{10}, wrong in character 18",
        ),
    ):
        with pytest.raises(EventRefused, match=found):
            validator.check(slip)


def identified(kind: str, level: int = 1, lists: dict[str, Any] | None = None) -> EventValidator:
    """A validator whose `shop` of each offer is an identifier of that kind."""
    catalogue = load(TINY)
    topic = "market.price_report"
    known = catalogue.events[topic]
    schema = copy.deepcopy(dict(known.avro))
    offers = next(field for field in schema["fields"] if field["name"] == "offers")
    offers["type"]["items"]["fields"][0]["identifier"] = kind
    next(field for field in schema["fields"] if field["name"] == "goods").pop("codes")  # they hold on fewer days
    fields = tuple(replace(field, level=level) if field.name == "offers" else field for field in known.fields)
    parsed = replace(known, avro=schema, fields=fields)
    return EventValidator(catalogue.topics[topic], parsed, {**catalogue.codes, **(lists or {})})


def offering(shop: str, occurred_at: datetime) -> dict[str, Any]:
    return {**EVENT, "occurred_at": occurred_at, "offers": [{"shop": shop, "quantity": None}]}


@pytest.mark.parametrize(
    ("kind", "good", "bad", "says"),
    [
        ("citizen-id", "11010519491231002X", "110105194912310021", "11****************, wrong in character 18"),
        ("phone", "+8613800000042", "+8615400000042", "+86154******42, wrong in characters 4 to 6, the segment"),
        ("plate", "鄂A12345", "鄂A1234O", "鄂A*****, wrong in character 7"),
        ("division", "420106007", "420199", "'420199', wrong in characters 1 to 6, the county: 420199, which never"),
        ("uscc", "91350100M000100Y43", "110105194912310021", "a USCC, 11****************, wrong in characters 17 and"),
        ("uscc", "91350100M000100Y43", "11010519491231002x", "a USCC, 11****************, wrong in character 18"),
    ],
)
def test_an_identifier_within_a_record_is_checked_and_one_of_a_person_only_shown_as_its_mask(
    kind: str, good: str, bad: str, says: str
) -> None:
    day = datetime(2020, 2, 1, tzinfo=UTC)
    identified(kind).check(offering(good, day))
    with pytest.raises(EventRefused) as caught:
        identified(kind).check(offering(bad, day))
    assert caught.value.path == "offers[0].shop"
    assert says in caught.value.found
    with pytest.raises(EventRefused) as caught:
        identified(kind, level=3).check(offering(bad, day))
    assert bad not in str(caught.value)


def test_the_day_of_an_identifier_is_that_of_the_event_in_china() -> None:
    born = identified("citizen-id")
    child = "110105202002010025"
    born.check(offering(child, datetime(2020, 1, 31, 16, 0, tzinfo=UTC)))
    with pytest.raises(EventRefused, match="the birth date"):
        born.check(offering(child, datetime(2020, 1, 31, 15, 59, tzinfo=UTC)))
    for extreme in (-(2**63), 2**63 - 1):
        with pytest.raises(EventRefused, match="from 1800-01-01 to"):
            born.check({**offering(child[:6] + "20200230" + child[14:], EVENT["occurred_at"]), "occurred_at": extreme})


def test_a_division_that_ended_is_refused_with_what_came_after_it() -> None:
    division = identified("division")
    division.check(offering("110103", datetime(2010, 6, 1, tzinfo=UTC)))
    with pytest.raises(EventRefused, match="after it: 110101 东城区"):
        division.check(offering("110103", datetime(2020, 6, 1, tzinfo=UTC)))


def test_the_divisions_of_a_catalogue_take_the_place_of_the_built_in_ones() -> None:
    own = CodeList("divisions", "invented", (CodeEntry("990101", None, None, {}),))
    division = identified("division", lists={"divisions": own})
    division.check(offering("990101", datetime(2020, 2, 1, tzinfo=UTC)))
    with pytest.raises(EventRefused, match="110101, which never was one"):
        division.check(offering("110101", datetime(2020, 2, 1, tzinfo=UTC)))
