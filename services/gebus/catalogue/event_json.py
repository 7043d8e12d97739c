"""JSON values as Avro values: examples, JSON lines and anything else that a person writes.

A date is `2020-02-01`, an instant `2020-02-01T08:00:00+08:00` (its offset is written out) and each may also be the
integer that Avro holds; a decimal is text or an integer, bytes are base64. All else is written as it is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gebus.catalogue.avro_values import WrongValue
from gebus.model.event import AvroType

Convert = Callable[[Any], Any]


def compile_reader(avro: AvroType) -> Convert | None:
    """The conversion of one type, or None where JSON already says it; what does not fit is left for the check."""
    if isinstance(avro, list):
        return _nullable(compile_reader(avro[1]))
    if isinstance(avro, str):
        return _bytes if avro == "bytes" else None
    build = _BUILDERS.get(avro.get("logicalType", avro["type"]))
    return compile_reader(avro["type"]) if build is None else build(avro)


def _nullable(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    branch = convert
    return lambda value: None if value is None else branch(value)


def _items(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    convert_item = convert

    def items(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [_at(f"[{index}]", convert_item, item) for index, item in enumerate(value)]

    return items


def _values(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    convert_item = convert

    def values(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: _at(f"[{key!r}]", convert_item, item) for key, item in value.items()}

    return values


def _record(avro: Mapping[str, Any]) -> Convert | None:
    converts = {field["name"]: compile_reader(field["type"]) for field in avro["fields"]}
    needed = {name: convert for name, convert in converts.items() if convert is not None}
    if not needed:
        return None

    def record(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        changed = {name: _at(name, convert, value[name]) for name, convert in needed.items() if name in value}
        return {**value, **changed}

    return record


def _at(part: str, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except WrongValue as wrong:
        raise wrong.below(part) from None


def _day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise WrongValue("text that is not a date", "a date such as 2020-02-01") from None


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise WrongValue("text that is not an instant", "an instant such as 2020-02-01T08:00:00+08:00")
    return instant


def _decimal(value: Any) -> Any:
    if isinstance(value, str) or type(value) is int:
        try:
            return Decimal(value)
        except InvalidOperation:
            raise WrongValue("text that is not a decimal", "a decimal such as '12.50'") from None
    return value


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise WrongValue("text that is not base64", "base64") from None


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Convert | None]] = {
    "record": _record,
    "array": lambda avro: _items(compile_reader(avro["items"])),
    "map": lambda avro: _values(compile_reader(avro["values"])),
    "date": lambda _: _day,
    "timestamp-millis": lambda _: _instant,
    "decimal": lambda _: _decimal,
    "uuid": lambda _: None,
}
