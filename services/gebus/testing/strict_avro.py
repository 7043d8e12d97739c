"""Avro bytes read with suspicion, in plain Python: the oracle's own judge of what is a record at all.

Written from the Avro specification and the limits of design 6, and sharing no line with the kernel, so that the two
can disagree. It is slow, and meant to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gebus.model.event import AvroType

MOST_BYTES = 1 << 20
MOST_DEPTH = 64
MOST_ELEMENTS = 65_536

_WIDTH = {"float": 4, "double": 8}


class Undecodable(Exception):
    """The bytes are no record; `reason` is that of the dead letter."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def check(body: bytes, schema: AvroType) -> None:
    """Undecodable unless `body` is one value of `schema`, its limits kept, and nothing behind it."""
    reader = _Reader(body)
    reader.value(schema, _definitions(schema), 0)
    if reader.at < len(body):
        raise Undecodable("trailing_bytes")


@dataclass(slots=True)
class _Reader:
    body: bytes
    at: int = 0
    elements: int = 0

    def value(self, schema: AvroType, named: Mapping[str, AvroType], depth: int) -> None:
        if isinstance(schema, list):
            branch = self.number(64)
            if not 0 <= branch < len(schema):
                raise Undecodable("bad_union")
            self.value(schema[branch], named, depth)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if isinstance(kind, dict | list):
            self.value(kind, named, depth)
        elif kind == "record":
            inner = _deeper(depth)
            for field in schema["fields"]:
                self.value(field["type"], named, inner)
        elif kind in ("array", "map"):
            self.blocks(schema, named, _deeper(depth))
        elif kind in named and kind != schema_name(schema):
            self.value(named[kind], named, depth)
        else:
            self.scalar(kind, schema)

    def scalar(self, kind: str, schema: AvroType) -> None:
        if kind in ("int", "long"):
            self.number(32 if kind == "int" else 64)
        elif kind in _WIDTH:
            self.take(_WIDTH[kind])
        elif kind == "boolean":
            if self.take(1)[0] > 1:
                raise Undecodable("bad_boolean")
        elif kind in ("string", "bytes"):
            self.text(utf8=kind == "string")
        elif kind == "fixed":
            self.take(schema["size"])
        elif kind == "enum" and not 0 <= self.number(32) < len(schema["symbols"]):
            raise Undecodable("bad_enum")

    def blocks(self, schema: AvroType, named: Mapping[str, AvroType], depth: int) -> None:
        keyed = schema["type"] == "map"
        while count := self.number(64):
            self.elements += abs(count)
            if self.elements > MOST_ELEMENTS:
                raise Undecodable("too_many_elements")
            end = None
            if count < 0:
                size = self.number(64)
                if size < 0:
                    raise Undecodable("negative_length")
                end = self.at + size
                if end > len(self.body):
                    raise Undecodable("truncated")
            for _ in range(abs(count)):
                if keyed:
                    self.text(utf8=True)
                self.value(schema["values" if keyed else "items"], named, depth)
            if end is not None and self.at != end:
                raise Undecodable("truncated")

    def text(self, *, utf8: bool) -> None:
        length = self.number(64)
        if length < 0:
            raise Undecodable("negative_length")
        span = self.take(length)
        if utf8:
            try:
                span.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Undecodable("bad_utf8") from error

    def number(self, bits: int) -> int:
        """A number in its shortest form, so that equal numbers are equal bytes."""
        raw = shift = 0
        while True:
            byte = self.take(1)[0]
            raw |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and shift) or raw >= 1 << 64:
                    raise Undecodable("bad_number")
                value = (raw >> 1) ^ -(raw & 1)
                if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                    raise Undecodable("bad_number")
                return value
            shift += 7
            if shift >= 70:
                raise Undecodable("bad_number")

    def take(self, length: int) -> bytes:
        if length > len(self.body) - self.at:
            raise Undecodable("truncated")
        self.at += length
        return self.body[self.at - length : self.at]


def _deeper(depth: int) -> int:
    if depth >= MOST_DEPTH:
        raise Undecodable("too_deep")
    return depth + 1


def schema_name(schema: AvroType) -> str | None:
    """The name that a definition gives itself, or None."""
    return schema.get("name") if isinstance(schema, dict) else None


def _definitions(schema: AvroType) -> dict[str, AvroType]:
    """Every named type, under its short and its full name."""
    named: dict[str, AvroType] = {}

    def visit(part: Any, namespace: str) -> None:
        if isinstance(part, list):
            for branch in part:
                visit(branch, namespace)
        elif isinstance(part, dict):
            if part.get("type") in ("record", "enum", "fixed"):
                namespace = part.get("namespace", part["name"].rpartition(".")[0] or namespace)
                short = part["name"].rpartition(".")[2]
                named[short] = named[f"{namespace}.{short}"] = part
                for field in part.get("fields", ()):
                    visit(field["type"], namespace)
            else:
                for key in ("type", "items", "values"):
                    visit(part.get(key), namespace)

    visit(schema, "")
    return named
