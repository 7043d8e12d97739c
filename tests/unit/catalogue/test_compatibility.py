"""Which schema may follow which, and where a break is."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from gebus.catalogue.compatibility import Level, breaks

INSTANT = {"type": "long", "logicalType": "timestamp-millis"}


def record(*fields: dict[str, Any], name: str = "Event") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, avro: Any, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": avro, **attributes}


def nullable(name: str, avro: Any) -> dict[str, Any]:
    return field(name, ["null", avro], default=None)


def decimal(scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale}


def supplies(*fields: dict[str, Any]) -> dict[str, Any]:
    return field("supplies", {"type": "array", "items": record(*fields, name="Supply")})


A, B, SUPPLIES = field("a", "int"), nullable("b", "string"), supplies(field("quantity", "long"))
OLD = record(A, B, SUPPLIES)
NO_DEFAULT = "reader_field_missing_default_value"

READABLE = [
    OLD,
    record(A, B, SUPPLIES, nullable("c", "int")),
    record(A, B, SUPPLIES, field("c", "int", default=0)),
    record(field("a", "long"), B, SUPPLIES),
    record(nullable("a", "int"), B, supplies(field("quantity", "double"))),
    record(field("a", "int", classification=2), B, supplies(field("quantity", "long", doc="x"))),
    record(A),
]

UNREADABLE: list[tuple[dict[str, Any], str, str, str]] = [
    (record(A, B, SUPPLIES, field("c", "int")), "c", NO_DEFAULT, "without a default"),
    (record(field("a", "string"), B, SUPPLIES), "a", "type_mismatch", "int is read as string"),
    (record(A, field("b", "string"), SUPPLIES), "b", "type_mismatch", "string or null is read as string"),
    (record(A, nullable("b", "int"), SUPPLIES), "b", "type_mismatch", "string is read as int"),
    (record(A, B, supplies(field("quantity", "int"))), "supplies[].quantity", "type_mismatch", "long is read as int"),
    (record(A, B, supplies(field("amount", "long"))), "supplies[].amount", NO_DEFAULT, "without a default"),
    (record(A, B, field("supplies", "string")), "supplies", "type_mismatch", "array is read as string"),
    (record(A, B, SUPPLIES, name="Other"), "", "name_mismatch", "record Event is now Other"),
]


@pytest.mark.parametrize("new", READABLE)
def test_what_can_read_the_old_records_is_backward_compatible(new: dict[str, Any]) -> None:
    assert breaks("BACKWARD", new, [(1, OLD)]) == []
    assert breaks("FORWARD", OLD, [(1, new)]) == []


@pytest.mark.parametrize(("new", "path", "rule", "problem"), UNREADABLE)
def test_a_break_names_field_rule_version_and_direction(
    new: dict[str, Any], path: str, rule: str, problem: str
) -> None:
    (found,) = breaks("BACKWARD", new, [(4, OLD)])
    assert (found.version, found.path, found.direction) == (4, path, "backward")
    assert rule in found.rule
    assert problem in found.problem
    assert "the new schema cannot read what version 4 wrote" in str(found)
    (reversed_,) = breaks("FORWARD", OLD, [(4, new)])
    assert (reversed_.path, reversed_.direction) == (path, "forward")
    assert "version 4 cannot read what the new schema writes" in str(reversed_)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (INSTANT, "long", "long (logicalType timestamp-millis) is read as long"),
        ("int", {"type": "int", "logicalType": "date"}, "int is read as int (logicalType date)"),
        (decimal(2), decimal(3), "scale 2) is read as bytes (logicalType decimal, precision 9, scale 3)"),
    ],
)
def test_a_logical_type_stays_although_the_library_would_let_it_change(old: Any, new: Any, problem: str) -> None:
    for wrap in (lambda avro: field("at", avro), lambda avro: nullable("at", avro)):
        (found,) = breaks("BACKWARD", record(wrap(new)), [(1, record(wrap(old)))])
        assert (found.path, found.rule) == ("at", "logical_type")
        assert problem in found.problem


def test_values_of_a_map_are_named_in_the_path() -> None:
    old, new = (record(field("m", {"type": "map", "values": avro})) for avro in ("long", "int"))
    assert [found.path for found in breaks("BACKWARD", new, [(1, old)])] == ["m{}"]


@pytest.mark.parametrize("level", get_args(Level))
def test_a_level_protects_the_last_version_or_all_of_them(level: Level) -> None:
    first, last = record(field("a", "string")), record(field("a", "long"))
    found = {
        (wrong.version, wrong.direction)
        for wrong in breaks(level, record(field("a", "boolean")), [(1, first), (2, last)])
    }
    versions = {1, 2} if level.endswith("TRANSITIVE") else {2}
    directions = {
        "BACKWARD": {"backward"},
        "FORWARD": {"forward"},
        "FULL": {"backward", "forward"},
    }[level.removesuffix("_TRANSITIVE")]
    assert found == {(version, direction) for version in versions for direction in directions}


def test_a_first_version_breaks_nothing() -> None:
    assert breaks("FULL_TRANSITIVE", OLD, []) == []
