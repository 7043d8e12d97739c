"""From the bytes of a feed to a record, within limits."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import partial
from typing import Any
from uuid import UUID

import fastavro

from gebus.kafka.encoding import HEADER_BYTES, MAGIC
from gebus.model.errors import Stopped

LARGEST_RECORD = 1024 * 1024
"""What the kernel lets pass."""
KEPT_SCHEMAS = 256
"""A feed's schema changes a few times in its life; the bound is there for a subscriber of many feeds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LONGEST_DECIMAL = 16
"""The bytes of 38 digits. More would not be a decimal of any schema, and costs the square of its length."""
_EXACT = Context(prec=40)

Convert = Callable[[Any], Any]


class Undecodable(Exception):
    """The bytes are not a record of their schema; the text says why, and holds no payload."""


class FeedDecoder:
    """Decodes records by the writer schema that each names.

    Promised: instants, dates, decimals and ids come as datetime (UTC), date, Decimal and UUID; a value that its logical
    type cannot hold (an instant after the year 9999, a decimal of more than 38 digits) stays the plain Avro value
    rather than end the reader. Memory is bounded by the record's size: a schema whose arrays cost no bytes is refused.
    """

    def __init__(self, schema_of: Callable[[int], str]) -> None:
        """`schema_of` gives the schema of an id, or raises; it is asked once an id."""
        self._schema_of = schema_of
        self._known: dict[int, tuple[Any, Convert | None]] = {}

    def decode(self, value: bytes | None) -> dict[str, Any]:
        """The record; Undecodable if there is none."""
        if value is None or len(value) < HEADER_BYTES or value[:1] != MAGIC:
            raise Undecodable("not 0x00, a schema id and Avro")
        if len(value) > LARGEST_RECORD:
            raise Undecodable(f"{len(value)} bytes, more than {LARGEST_RECORD}")
        schema_id = int.from_bytes(value[1:HEADER_BYTES], "big")
        schema, convert = self._known.get(schema_id) or self._learn(schema_id)
        buffer = io.BytesIO(value)
        buffer.seek(HEADER_BYTES)
        try:
            record: Any = fastavro.schemaless_reader(buffer, schema, None)
        except (EOFError, ValueError, IndexError, OverflowError, MemoryError) as error:
            raise Undecodable(f"not Avro of schema {schema_id}: {type(error).__name__}") from None
        if buffer.tell() != len(value):
            raise Undecodable(f"{len(value) - buffer.tell()} bytes after the end of a record of schema {schema_id}")
        decoded: dict[str, Any] = record if convert is None else convert(record)
        return decoded

    def _learn(self, schema_id: int) -> tuple[Any, Convert | None]:
        avro = json.loads(self._schema_of(schema_id))
        if not isinstance(avro, dict) or avro.get("type") != "record":
            raise Stopped(f"schema {schema_id} of the registry is no record; is this the registry of this bus?")
        _check_bounded(avro, f"schema {schema_id}")
        if len(self._known) >= KEPT_SCHEMAS:
            del self._known[next(iter(self._known))]
        known = (fastavro.parse_schema(_plain(avro)), _converter(avro))
        self._known[schema_id] = known
        return known


def _check_bounded(avro: Any, place: str) -> None:
    """Refuse a type of which a few bytes can hold millions, or nest for ever. The catalogue lets none pass."""
    kind = avro.get("type") if isinstance(avro, dict) else avro
    if isinstance(avro, list):
        for branch in avro:
            if branch != "null":
                _check_bounded(branch, place)
    elif kind == "record":
        if not avro["fields"]:
            raise Stopped(f"{place}: a record without fields; feeds of this bus have none")
        for field in avro["fields"]:
            _check_bounded(field["type"], f"{place}.{field['name']}")
    elif kind in ("array", "map"):
        _check_bounded(avro["items" if kind == "array" else "values"], f"{place}[]")
    elif kind == "fixed":
        if avro["size"] < 1:
            raise Stopped(f"{place}: a fixed of no bytes; feeds of this bus have none")
    elif kind not in ("string", "int", "long", "float", "double", "boolean", "bytes"):
        raise Stopped(f"{place}: the type {kind!r}; feeds of this bus have none")


def _plain(avro: Any) -> Any:
    """The type without its logical types: fastavro ends on a value that one of them cannot hold."""
    if isinstance(avro, list):
        return [_plain(branch) for branch in avro]
    if not isinstance(avro, dict):
        return avro
    return {
        key: [{**field, "type": _plain(field["type"])} for field in value]
        if key == "fields"
        else (_plain(value) if key in ("type", "items", "values") else value)
        for key, value in avro.items()
        if key not in ("logicalType", "precision", "scale")
    }


def _converter(avro: Any) -> Convert | None:
    """What turns a plain value of this type into its logical one; None where there is nothing to turn."""
    if isinstance(avro, list):
        return _each(avro[1], lambda convert, value: None if value is None else convert(value))
    if not isinstance(avro, dict):
        return None
    if avro["type"] == "record":
        return _record_converter(avro)
    if avro["type"] == "array":
        return _each(avro["items"], lambda convert, value: [convert(item) for item in value])
    if avro["type"] == "map":
        return _each(avro["values"], lambda convert, value: {name: convert(item) for name, item in value.items()})
    return _logical(avro)


def _each(inner: Any, apply: Callable[[Convert, Any], Any]) -> Convert | None:
    convert = _converter(inner)
    return None if convert is None else partial(apply, convert)


def _record_converter(avro: Any) -> Convert | None:
    converters = [
        (field["name"], found) for field in avro["fields"] if (found := _converter(field["type"])) is not None
    ]

    def convert(record: dict[str, Any]) -> dict[str, Any]:
        for name, converter in converters:
            record[name] = converter(record[name])
        return record

    return convert if converters else None


def _logical(avro: Any) -> Convert | None:
    logical = avro.get("logicalType")
    if logical == "timestamp-millis":
        return _instant
    if logical == "date":
        return _date
    if logical == "uuid":
        return _uuid
    if logical == "decimal":
        scale = -avro.get("scale", 0)
        return lambda value: _decimal(value, scale)
    return None


def _instant(value: int) -> Any:
    with suppress(OverflowError):
        return _EPOCH + timedelta(milliseconds=value)
    return value


def _date(value: int) -> Any:
    with suppress(OverflowError, ValueError):
        return date.fromordinal(value + _EPOCH_DAY)
    return value


def _uuid(value: str) -> Any:
    with suppress(ValueError):
        return UUID(value)
    return value


def _decimal(value: bytes, exponent: int) -> Any:
    if len(value) > _LONGEST_DECIMAL:
        return value
    return Decimal(int.from_bytes(value, "big", signed=True)).scaleb(exponent, _EXACT)
