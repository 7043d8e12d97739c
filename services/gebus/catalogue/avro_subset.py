"""The part of Avro that Flink SQL, Connect and ksqlDB read, within limits that no hostile schema passes (design 4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from gebus.catalogue.documents import Document, KeyPath, Rule, nearest, shown
from gebus.model.base import FIELD_PATTERN
from gebus.model.errors import Finding
from gebus.model.identifiers import IDENTIFIER_NAMES

MAX_FIELDS = 400
"""All fields of all records of one schema. A lane's plan and a person's patience both end before."""
MAX_NESTING = 12
"""Records, arrays and maps within one another. The kernel walks 64, so that no valid record is near its limit."""
MAX_PRECISION = 38
"""What Flink SQL's DECIMAL holds."""

PRIMITIVES = ("string", "int", "long", "float", "double", "boolean", "bytes")
LOGICAL = {"date": ("int",), "timestamp-millis": ("long",), "uuid": ("string",), "decimal": ("bytes", "fixed")}
_COMPLEX = ("record", "array", "map", "fixed")
_KEYS = {
    "record": ("type", "name", "doc", "fields"),
    "array": ("type", "items"),
    "map": ("type", "values"),
    "fixed": ("type", "name", "size", "logicalType", "precision", "scale"),
}
_PLAIN_KEYS = ("type", "logicalType", "precision", "scale")
_FIELD_KEYS = ("name", "type", "doc", "default", "codes", "identifier")
_RECORD_NAME = re.compile(r"^[A-Z][A-Za-z0-9]{0,60}$")
_FIELD_NAME = re.compile(FIELD_PATTERN)
_SUBSET = "string, int, long, float, double, boolean, bytes, record, array, map, or a union of null and one of these"


class SubsetCheck:
    """Walks the types of one schema and collects what lies outside the subset."""

    def __init__(self, document: Document) -> None:
        self.findings: list[Finding] = []
        self._document = document
        self._names: set[str] = set()
        self._fields = 0

    def name(self, name: object, path: KeyPath) -> None:
        """A record's or fixed's name: well formed, and given once."""
        if not isinstance(name, str) or not _RECORD_NAME.match(name):
            self._add(path, "avro", f"the name {shown(name)}", "a name such as PriceReport")
        elif name in self._names:
            self._add(path, "avro", f"a second type named {name}", "each name once in a schema")
        else:
            self._names.add(name)

    def field_names(self, fields: Iterable[Any], path: KeyPath) -> None:
        """The names of one record's fields: well formed, each once, and not too many in the schema."""
        seen: set[str] = set()
        for index, field in enumerate(fields):
            self._fields += 1
            if self._fields == MAX_FIELDS + 1:
                self._add(
                    (*path, index), "limits", f"more than {MAX_FIELDS} fields", f"at most {MAX_FIELDS} in a schema"
                )
            name = field.get("name") if isinstance(field, dict) else None
            if not isinstance(name, str) or not _FIELD_NAME.match(name):
                self._add((*path, index), "avro", f"the field name {shown(name)}", f"text that matches {FIELD_PATTERN}")
            elif name in seen:
                self._add((*path, index), "avro", f"a second field named {name}", "each name once in a record")
            else:
                seen.add(name)

    def field_type(self, field: dict[str, Any], path: KeyPath, depth: int = 0) -> None:
        """Type, default, codes and identifier of one field, which lies at `path` below `depth` other types."""
        if "type" not in field:
            self._add(path, "avro", f"the field {shown(field.get('name'))} has no type", _SUBSET)
            return
        avro = field["type"]
        if isinstance(avro, list):
            self._union(field, path, depth)
        else:
            self._type(avro, (*path, "type"), depth + 1)
            if "default" in field:
                self._default(field, path)
        if "codes" in field and not _takes_codes(avro):
            self._add(
                (*path, "codes"), "codes", f"`codes` on {json.dumps(avro)}", "`codes` on string or array of string"
            )
        if "identifier" in field:
            self._identifier(field["identifier"], avro, (*path, "identifier"))

    def _identifier(self, kind: object, avro: Any, path: KeyPath) -> None:
        plain = avro[-1] if isinstance(avro, list) and avro else avro
        if plain != "string":
            self._add(path, "identifier", f"`identifier` on {json.dumps(plain)}", "`identifier` on a string")
        elif kind not in IDENTIFIER_NAMES:
            advice = nearest(kind, IDENTIFIER_NAMES) if isinstance(kind, str) else ""
            self._add(path, "identifier", f"`identifier` is {shown(kind)}", ", ".join(IDENTIFIER_NAMES), advice)

    def _union(self, field: dict[str, Any], path: KeyPath, depth: int) -> None:
        avro, place = field["type"], (*path, "type")
        if len(avro) != 2 or avro[0] != "null" or avro[1] == "null" or isinstance(avro[1], list):
            self._add(place, "avro", f"a union of {len(avro)}", '["null", <one type>], with null first')
            return
        if "default" not in field or field["default"] is not None:
            found = f"the nullable field {shown(field.get('name'))} has no default null"
            self._add(path, "avro", found, '"default": null', "add it, so that the field can be left out")
        self._type(avro[1], (*place, 1), depth + 1)

    def _type(self, avro: Any, path: KeyPath, depth: int) -> None:
        if isinstance(avro, str):
            self._primitive(avro, path)
        elif isinstance(avro, list):
            self._add(path, "avro", "a union inside another type", "a union only as the type of a field")
        elif not isinstance(avro, dict) or not isinstance(avro.get("type"), str):
            self._add(path, "avro", f"the type {shown(avro)}", _SUBSET)
        elif avro["type"] in _COMPLEX:
            if depth > MAX_NESTING:
                self._add(path, "limits", f"more than {MAX_NESTING} levels of nesting", f"at most {MAX_NESTING}")
            else:
                self._complex(avro, path, depth)
        else:
            self._primitive(avro["type"], (*path, "type"))
            if avro["type"] in PRIMITIVES:
                self._keys(avro, _PLAIN_KEYS, path)
                self._logical(avro, path)

    def _primitive(self, name: str, path: KeyPath) -> None:
        if name in PRIMITIVES:
            return
        if name == "enum":
            self._add(path, "avro", "an enum", _SUBSET, "use a string with `codes`: Flink SQL reads no enum")
        elif name == "null":
            self._add(path, "avro", "null as a type of its own", _SUBSET)
        elif name in self._names:
            advice = "recursion is not allowed, and a record used twice is written twice under two names"
            self._add(path, "avro", f"a reference to {name}", _SUBSET, advice)
        else:
            self._add(path, "avro", f"the type {shown(name)}", _SUBSET, nearest(name, (*PRIMITIVES, *_COMPLEX)))

    def _complex(self, avro: dict[str, Any], path: KeyPath, depth: int) -> None:
        kind = avro["type"]
        self._keys(avro, _KEYS[kind], path)
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            self._type(avro.get(inner), (*path, inner), depth + 1)
        elif kind == "fixed":
            self._fixed(avro, path)
        else:
            self.name(avro.get("name"), (*path, "name"))
            self._record(avro, path, depth)

    def _record(self, avro: dict[str, Any], path: KeyPath, depth: int) -> None:
        fields, place = avro.get("fields"), (*path, "fields")
        if not isinstance(fields, list) or not fields:
            self._add(
                place, "limits", "a record without fields", "at least one field", "a million of them take no byte"
            )
            return
        self.field_names(fields, place)
        for index, field in enumerate(fields[: MAX_FIELDS + 1]):
            if isinstance(field, dict):
                self._keys(field, _FIELD_KEYS, (*place, index))
                self.field_type(field, (*place, index), depth)

    def _fixed(self, avro: dict[str, Any], path: KeyPath) -> None:
        self.name(avro.get("name"), (*path, "name"))
        if avro.get("logicalType") != "decimal":
            self._add(path, "avro", "a fixed", "fixed only below a decimal", "use bytes")
            return
        size = avro.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 16:
            self._add((*path, "size"), "avro", f"a fixed of size {shown(size)}", "1 to 16 bytes")
        self._logical(avro, path)

    def _logical(self, avro: dict[str, Any], path: KeyPath) -> None:
        logical, place = avro.get("logicalType"), (*path, "logicalType")
        if logical is None:
            if "logicalType" in avro:
                self._add(place, "avro", "the logical type null", ", ".join(LOGICAL))
            return
        if not isinstance(logical, str) or logical not in LOGICAL:
            advice = nearest(logical, LOGICAL) if isinstance(logical, str) else ""
            self._add(place, "avro", f"the logical type {shown(logical)}", ", ".join(LOGICAL), advice)
        elif avro["type"] not in LOGICAL[logical]:
            self._add(place, "avro", f"{logical} on {avro['type']}", f"{logical} on {' or '.join(LOGICAL[logical])}")
        elif logical == "decimal":
            self._decimal(avro, path)

    def _decimal(self, avro: dict[str, Any], path: KeyPath) -> None:
        precision, scale = avro.get("precision"), avro.get("scale")
        if type(precision) is not int or not 1 <= precision <= MAX_PRECISION:
            self._add((*path, "precision"), "avro", f"precision {shown(precision)}", f"1 to {MAX_PRECISION}")
        elif type(scale) is not int or not 0 <= scale <= precision:
            self._add(
                (*path, "scale"), "avro", f"scale {shown(scale)}", f"0 to the precision, {precision}, written out"
            )

    def _default(self, field: dict[str, Any], path: KeyPath) -> None:
        avro, value = field["type"], field["default"]
        kind = avro.get("type") if isinstance(avro, dict) else avro
        if isinstance(avro, dict) and kind in PRIMITIVES:
            kind = None
        fits = {
            "string": isinstance(value, str),
            "boolean": isinstance(value, bool),
            "int": type(value) is int and -(2**31) <= value < 2**31,
            "long": type(value) is int and -(2**63) <= value < 2**63,
            "float": type(value) in (int, float),
            "double": type(value) in (int, float),
            "array": value == [],
            "map": value == {},
        }.get(kind if isinstance(kind, str) else "", False)
        if not fits:
            allowed = (
                "a value of the field's type for string, int, long, float, double, boolean; [] or {} for array, map"
            )
            self._add(
                (*path, "default"), "avro", f"the default {shown(value)}", allowed, "make the field nullable instead"
            )

    def _keys(self, value: dict[str, Any], known: tuple[str, ...], path: KeyPath) -> None:
        for key in value:
            if key not in known:
                self._add((*path, key), "key", f"unknown key `{key}`", ", ".join(known), nearest(key, known))

    def _add(self, path: KeyPath, rule: Rule, found: str, allowed: str, next_step: str = "") -> None:
        self.findings.append(self._document.finding(path, rule, found, allowed, next_step))


def _takes_codes(avro: Any) -> bool:
    plain = avro[-1] if isinstance(avro, list) and avro else avro
    return plain in ("string", {"type": "array", "items": "string"})
