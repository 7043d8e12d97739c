"""A condition evaluated by cel-python on a decoded record: the oracle's own reading of CEL.

Where cel-python leaves the specification, it is led back: null equals null alone and compares with everything, and an
int compares with a double. Where gebus leaves it, so does this: a double divided by zero is undecided, and
`timestamp`, `duration`, `date` and `abs` give and take integers.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import celpy
from celpy import celtypes
from celpy.evaluation import CELEvalError

from gebus.model.event import AvroType


class Condition:
    """One condition over the records that `schemas` names; true, false, or None where it is undecided."""

    def __init__(self, text: str, schemas: Mapping[str, AvroType]) -> None:
        limit = sys.getrecursionlimit()
        try:
            environment = celpy.Environment()
            self._program = environment.program(environment.compile(text), functions=_FUNCTIONS)
        finally:
            # An environment of cel-python changes the limit of the whole process.
            sys.setrecursionlimit(limit)
        self._schemas = schemas

    def evaluate(self, records: Mapping[str, Mapping[str, Any] | None]) -> bool | None:
        """By name; a record that is not there is None, and then its schema says that it may be."""
        activation = {name: _value(record, self._schemas[name]) for name, record in records.items()}
        try:
            result = self._program.evaluate(activation)
        except (CELEvalError, TypeError, ValueError, ZeroDivisionError):
            return None
        return bool(result) if isinstance(result, celtypes.BoolType) else None


def _value(value: Any, schema: AvroType) -> Any:
    """A decoded value as CEL sees it. A null record is one whose fields are all null."""
    if isinstance(schema, list):
        plain = next(branch for branch in schema if branch != "null")
        if value is None and not (isinstance(plain, dict) and plain["type"] == "record"):
            return None
        return _value(value, plain)
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "record":
        parts = {
            celtypes.StringType(field["name"]): _value(
                None if value is None else value[field["name"]],
                _nullable(field["type"]) if value is None else field["type"],
            )
            for field in schema["fields"]
        }
        return celtypes.MapType(parts)
    scalar = {
        "string": celtypes.StringType,
        "int": celtypes.IntType,
        "long": celtypes.IntType,
        "float": celtypes.DoubleType,
        "double": celtypes.DoubleType,
        "boolean": celtypes.BoolType,
    }.get(kind)
    return None if scalar is None or value is None else scalar(value)


def _nullable(schema: AvroType) -> AvroType:
    return schema if isinstance(schema, list) else ["null", schema]


def _native(value: Any) -> Any:
    """The Python value, which compares an int with a double exactly; TypeError for null and errors."""
    for kind in (float, int, str):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"no order for {type(value).__name__}")


def _equal(left: Any, right: Any) -> Any:
    for side in (left, right):
        if isinstance(side, CELEvalError):
            return side
    if left is None or right is None:
        return celtypes.BoolType(left is None and right is None)
    return celtypes.BoolType(_native(left) == _native(right))


def _unequal(left: Any, right: Any) -> Any:
    equal = _equal(left, right)
    return equal if isinstance(equal, CELEvalError) else celtypes.BoolType(not equal)


def _in(item: Any, items: Any) -> Any:
    return item if isinstance(item, CELEvalError) else celtypes.BoolType(any(_equal(item, other) for other in items))


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    return lambda left, right: celtypes.BoolType(compare(_native(left), _native(right)))


def _divide(left: Any, right: Any) -> Any:
    if _native(right) == 0:
        raise ZeroDivisionError
    return left / right


def _size(text: Any) -> Any:
    """Where cel-python says that null has no characters, its size is undecided."""
    if isinstance(text, CELEvalError):
        return text
    return celtypes.IntType(len(_native(text)))


def _absolute(number: Any) -> Any:
    if isinstance(number, celtypes.IntType):
        return celtypes.IntType(-number if number < 0 else number)
    return celtypes.DoubleType(math.fabs(number))


def _duration(text: str) -> Any:
    unit = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    total = sum(int(count) * unit[name] for count, name in re.findall(r"(\d+)(ms|h|m|s)", text))
    return celtypes.IntType(-total if text.startswith("-") else total)


def _timestamp(text: str) -> Any:
    return celtypes.IntType(round(datetime.fromisoformat(text).timestamp() * 1000))


def _date(text: str) -> Any:
    return celtypes.IntType((date.fromisoformat(text) - date(1970, 1, 1)).days)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "_==_": _equal,
    "_!=_": _unequal,
    "_in_": _in,
    "_<_": _ordered(operator.lt),
    "_<=_": _ordered(operator.le),
    "_>_": _ordered(operator.gt),
    "_>=_": _ordered(operator.ge),
    "_/_": _divide,
    "abs": _absolute,
    "duration": _duration,
    "timestamp": _timestamp,
    "date": _date,
}
