"""Checks of Python values against Avro types, compiled once and then called for each event."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from gebus.catalogue.documents import nearest
from gebus.model.event import AvroType

Check = Callable[[Any], None]

_LARGEST_FLOAT = 3.4028234663852886e38


class WrongValue(Exception):
    """A value that does not fit its type; each level on the way up adds its part of the path in front.

    It becomes an EventRefused once the path is complete.
    """

    def __init__(self, found: str, allowed: str, path: str = "") -> None:
        self.found, self.allowed, self.path = found, allowed, path
        super().__init__(found)

    def below(self, part: str) -> WrongValue:
        """The same, one level further up."""
        self.path = f"{part}.{self.path}" if self.path and not self.path.startswith("[") else part + self.path
        return self


def kind(value: object) -> str:
    """What a value is, without showing it: an error may be read by people who may not read the event."""
    names: dict[type, str] = {str: "text", bool: "a boolean", int: "an integer", float: "a float", bytes: "bytes"}
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return names.get(type(value), f"a {type(value).__name__}")


def compile_check(avro: AvroType) -> Check:
    """The check of one type of the subset; it raises WrongValue."""
    if isinstance(avro, list):
        return _nullable(compile_check(avro[1]))
    if isinstance(avro, str):
        return _PRIMITIVES[avro]
    build = _BUILDERS.get(avro.get("logicalType", avro["type"]))
    return compile_check(avro["type"]) if build is None else build(avro)


def compile_record(avro: Mapping[str, Any]) -> Check:
    """The check of a record: every field there or with a default, none unknown."""
    fields = [(field["name"], compile_check(field["type"]), "default" not in field) for field in avro["fields"]]
    known = frozenset(name for name, _, _ in fields)

    def check(value: Any) -> None:
        if type(value) is not dict and not isinstance(value, Mapping):
            raise WrongValue(kind(value), "a mapping of field names to values")
        for name, check_field, required in fields:
            if name in value:
                try:
                    check_field(value[name])
                except WrongValue as wrong:
                    raise wrong.below(name) from None
            elif required:
                raise WrongValue("missing", "a value", name)
        if not known.issuperset(value):
            unknown = str(next(name for name in value if name not in known))
            hint = nearest(unknown, known)
            raise WrongValue("an unknown field", hint or f"the fields {', '.join(sorted(known))}", unknown)

    return check


def _nullable(check_branch: Check) -> Check:
    def check(value: Any) -> None:
        if value is not None:
            try:
                check_branch(value)
            except WrongValue as wrong:
                if not wrong.path:
                    wrong.allowed += ", or null"
                raise

    return check


def _array(check_item: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, list):  # a tuple would be a branch of a union to fastavro
            raise WrongValue(kind(value), "a list")
        for index, item in enumerate(value):
            try:
                check_item(item)
            except WrongValue as wrong:
                raise wrong.below(f"[{index}]") from None

    return check


def _map(check_item: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, Mapping):
            raise WrongValue(kind(value), "a mapping of text to values")
        for key, item in value.items():
            _string(key)
            try:
                check_item(item)
            except WrongValue as wrong:
                raise wrong.below(f"[{key!r}]") from None

    return check


def _string(value: Any) -> None:
    if not isinstance(value, str):
        raise WrongValue(kind(value), "text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise WrongValue("text with half a surrogate pair", "text that UTF-8 can carry") from None


def _integer(bits: int) -> Check:
    lowest, beyond, allowed = -(2 ** (bits - 1)), 2 ** (bits - 1), f"an integer of {bits} bits"

    def check(value: Any) -> None:
        if type(value) is not int:
            raise WrongValue(kind(value), allowed)
        if not lowest <= value < beyond:
            raise WrongValue("an integer out of range", allowed)

    return check


def _floating(largest: float) -> Check:
    def check(value: Any) -> None:
        if type(value) not in (int, float):
            raise WrongValue(kind(value), "a number")
        if not -largest <= value <= largest:  # which no NaN is
            raise WrongValue("a number out of range", f"a finite number up to {largest:g}")

    return check


def _boolean(value: Any) -> None:
    if not isinstance(value, bool):
        raise WrongValue(kind(value), "true or false")


def _bytes(value: Any) -> None:
    if not isinstance(value, bytes):
        raise WrongValue(kind(value), "bytes")


def _day(value: Any) -> None:
    if isinstance(value, datetime) or not isinstance(value, date):
        if type(value) is not int:
            raise WrongValue(kind(value), "a date, or the integer of days since 1970-01-01")
        _INT(value)


def _instant(value: Any) -> None:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise WrongValue("a datetime without a time zone", "a datetime with a time zone")
    elif type(value) is not int:
        raise WrongValue(kind(value), "a datetime with a time zone, or the integer of milliseconds since 1970 (UTC)")
    else:
        _LONG(value)


def _uuid(value: Any) -> None:
    if not isinstance(value, uuid.UUID):
        _string(value)
        try:
            uuid.UUID(value)
        except ValueError:
            raise WrongValue("text that is not a UUID", "a UUID such as 6fa459ea-ee8a-3ca4-894e-db77e160355e") from None


def _decimal(precision: int, scale: int) -> Check:
    allowed = f"a Decimal of at most {precision} digits, {scale} of them after the point"

    def check(value: Any) -> None:
        if not isinstance(value, Decimal):
            raise WrongValue(kind(value), allowed)
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int):
            raise WrongValue("a Decimal that is not finite", allowed)
        if -exponent > scale or value.adjusted() + 1 + scale > precision:
            raise WrongValue("a Decimal with too many digits", allowed)

    return check


_INT = _integer(32)
_LONG = _integer(64)
_PRIMITIVES: Mapping[str, Check] = {
    "string": _string,
    "int": _INT,
    "long": _LONG,
    "float": _floating(_LARGEST_FLOAT),
    "double": _floating(float("1.7976931348623157e308")),
    "boolean": _boolean,
    "bytes": _bytes,
}
_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Check]] = {
    "record": compile_record,
    "array": lambda avro: _array(compile_check(avro["items"])),
    "map": lambda avro: _map(compile_check(avro["values"])),
    "decimal": lambda avro: _decimal(avro["precision"], avro["scale"]),
    "date": lambda _: _day,
    "timestamp-millis": lambda _: _instant,
    "uuid": lambda _: _uuid,
}
