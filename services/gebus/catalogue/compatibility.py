"""Whether a schema may follow its earlier versions. The library `avro` decides; this module says where and why.

The library looks at shapes alone, so one rule is added: a logical type stays as it is. A long that turns from an
instant into a plain number, or a decimal whose scale changes, would be read without an error and wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import parse

from gebus.model.event import AvroType

Level = Literal["BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]

_LOGICAL_KEYS = ("logicalType", "precision", "scale")


@dataclass(frozen=True, slots=True)
class Break:
    """One place where a new schema and an earlier version cannot follow one another."""

    version: int
    path: str
    """The field, as in `supplies[].quantity`; empty for the record itself."""
    rule: str
    """The library's name of the rule, as in `type_mismatch`, or `logical_type`."""
    problem: str
    direction: Literal["backward", "forward"]

    def __str__(self) -> str:
        who = {
            "backward": f"the new schema cannot read what version {self.version} wrote",
            "forward": f"version {self.version} cannot read what the new schema writes",
        }
        return f"{self.path or 'the record'}: {self.problem} ({self.rule}); {who[self.direction]}"


def breaks(level: Level, new: AvroType, versions: Sequence[tuple[int, AvroType]]) -> list[Break]:
    """Everything in which `new` breaks the versions that `level` protects: the last, or all if it is transitive.

    `versions` are numbered and in order, the newest last.
    """
    protected = versions if level.endswith("_TRANSITIVE") else versions[-1:]
    found: list[Break] = []
    for number, old in protected:
        if not level.startswith("FORWARD"):
            found += (Break(number, *wrong, "backward") for wrong in _unreadable(new, old))
        if not level.startswith("BACKWARD"):
            found += (Break(number, *wrong, "forward") for wrong in _unreadable(old, new))
    return found


def _unreadable(reader: AvroType, writer: AvroType) -> list[tuple[str, str, str]]:
    """Path, rule and problem of each thing that `writer` writes and `reader` cannot read."""
    found = list(_walk(reader, writer, ""))
    if not found:
        found = [("", rule, problem) for rule, problem in _verdict(reader, writer)]
    return found


def _walk(reader: AvroType, writer: AvroType, path: str) -> Iterator[tuple[str, str, str]]:
    kinds = _kind(reader), _kind(writer)
    if kinds == ("union", "union"):
        yield from _walk(reader[1], writer[1], path)
    elif kinds[0] == "union":
        yield from _walk(reader[1], writer, path)
    elif kinds == ("array", "array"):
        yield from _walk(reader["items"], writer["items"], f"{path}[]")
    elif kinds == ("map", "map"):
        yield from _walk(reader["values"], writer["values"], f"{path}{{}}")
    elif kinds == ("record", "record"):
        yield from _walk_record(reader, writer, path)
    else:
        yield from ((path, rule, problem) for rule, problem in _verdict(reader, writer))
        yield from _logical(reader, writer, path)


def _walk_record(reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    if reader["name"] != writer["name"]:
        yield path, "name_mismatch", f"record {writer['name']} is now {reader['name']}"
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        place = f"{path}.{field['name']}" if path else str(field["name"])
        if field["name"] in written:
            yield from _walk(field["type"], written[field["name"]]["type"], place)
        elif "default" not in field:
            yield place, "reader_field_missing_default_value", "not written, and without a default to stand for it"


def _logical(reader: AvroType, writer: AvroType, path: str) -> Iterator[tuple[str, str, str]]:
    left, right = _logical_part(reader), _logical_part(writer)
    if left != right and _kind(writer) != "union":
        yield path, "logical_type", f"{_shown(writer)} is read as {_shown(reader)}"


def _logical_part(avro: AvroType) -> tuple[Any, ...]:
    return tuple(avro.get(key) for key in _LOGICAL_KEYS) if isinstance(avro, Mapping) else (None, None, None)


def _verdict(reader: AvroType, writer: AvroType) -> list[tuple[str, str]]:
    """The rules that the library finds broken, each with what it says about it."""
    try:
        parsed = parse(json.dumps(reader)), parse(json.dumps(writer))
    except AvroException as error:
        return [("unreadable_schema", f"the library avro cannot read it: {error}")]
    checker: Any = ReaderWriterCompatibilityChecker  # its constructor is without types
    result = checker().get_compatibility(*parsed)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    rule = ", ".join(dict.fromkeys(wrong.name for wrong in result.incompatibilities))
    return [(rule, f"{_shown(writer)} is read as {_shown(reader)}")]


def _kind(avro: AvroType) -> str:
    if isinstance(avro, list):
        return "union"
    return avro if isinstance(avro, str) else str(avro["type"])


def _shown(avro: AvroType) -> str:
    if isinstance(avro, list):
        return f"{_shown(avro[1])} or null"
    if isinstance(avro, str):
        return avro
    logical = [f"{key} {avro[key]}" for key in _LOGICAL_KEYS if key in avro]
    return f"{avro['type']} ({', '.join(logical)})" if logical else str(avro["type"])
