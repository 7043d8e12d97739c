"""What each CEL operator and function takes and gives: the part of CEL that lanes run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from gebus.plan.expression import Constant, Expression, Operation, ScalarType
from gebus.plan.refusal import Refusal

Type = Literal["int", "double", "string", "bool", "null", "timestamp", "date", "duration"]
"""The types of a condition. The kernel sees timestamps, dates and durations as the integers that they are."""

STORED: dict[Type, ScalarType] = {
    "int": "int",
    "double": "double",
    "string": "string",
    "bool": "bool",
    "timestamp": "int",
    "date": "int",
    "duration": "int",
}
_ORDERED = frozenset({"int", "double", "string", "timestamp", "date", "duration"})
_ARITHMETIC: dict[tuple[str, Type, Type], Type] = {
    **{(op, kind, kind): kind for op in ("add", "sub", "mul", "div") for kind in ("int", "double")},
    ("mod", "int", "int"): "int",
    ("add", "timestamp", "duration"): "timestamp",
    ("add", "duration", "timestamp"): "timestamp",
    ("sub", "timestamp", "duration"): "timestamp",
    ("sub", "timestamp", "timestamp"): "duration",
    ("add", "duration", "duration"): "duration",
    ("sub", "duration", "duration"): "duration",
}
_SIGN = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "mod": "%",
}
METHODS = {"startsWith": "starts_with", "endsWith": "ends_with", "contains": "contains"}
FUNCTIONS = ("size", "abs", "timestamp", "duration", "date")
FUNCTIONS_IN_WORDS = (
    "s.startsWith(t), s.endsWith(t), s.contains(t), size(s), abs(n), "
    'timestamp("2020-02-01T00:00:00Z"), duration("36h"), date("2020-02-01")'
)

_DURATION = re.compile(r"-?(\d+(?:ms|h|m|s))+")
_DURATION_PART = re.compile(r"(\d+)(ms|h|m|s)")
_UNIT = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Typed:
    """A part of a condition, its type, and where it begins, from 1."""

    node: Expression
    type: Type
    position: int

    @property
    def words(self) -> str:
        return "null" if self.type == "null" else f"{'an' if self.type == 'int' else 'a'} {self.type}"


def comparison(op: str, left: Typed, right: Typed) -> Typed:
    """`==` and `!=` of one type, or with null; the orders of one type that has one. Int and double compare exactly."""
    same = alike(left.type, right.type)
    fits = same or "null" in (left.type, right.type) if op in ("eq", "ne") else same and left.type in _ORDERED
    if not fits:
        orders = "" if op in ("eq", "ne") else ", of int, double, string, timestamp, date or duration"
        raise _mismatch(op, left, right, f"two values of one type{orders}")
    return Typed(Operation(op, (left.node, right.node)), "bool", left.position)


def alike(one: Type, other: Type) -> bool:
    """Whether two types compare."""
    return one == other or {one, other} == {"int", "double"}


def arithmetic(op: str, left: Typed, right: Typed) -> Typed:
    """Arithmetic of two ints or two doubles, and of instants with durations."""
    result = _ARITHMETIC.get((op, left.type, right.type))
    if result is None:
        allowed = "two ints" if op == "mod" else "two ints or two doubles; + and - also instants with durations"
        raise _mismatch(op, left, right, allowed)
    return Typed(Operation(op, (left.node, right.node)), result, left.position)


def negation(op: str, operand: Typed) -> Typed:
    """`!` of a bool, `-` of a number or a duration."""
    allowed = ("bool",) if op == "not" else ("int", "double", "duration")
    if operand.type not in allowed:
        raise Refusal(
            f"{'!' if op == 'not' else '-'} on {operand.words}", " or ".join(allowed), position=operand.position
        )
    return Typed(Operation(op, (operand.node,)), operand.type, operand.position)


def method(name: str, subject: Typed, arguments: list[Typed], position: int) -> Typed:
    """A function that is written behind what it works on."""
    if name == "size" and not arguments:
        return call(name, [subject], position)
    if name not in METHODS:
        raise unknown_function(name, position)
    if len(arguments) != 1 or subject.type != "string" or arguments[0].type != "string":
        given = ", ".join(argument.words for argument in arguments) or "nothing"
        raise Refusal(f"{name} on {subject.words} with {given}", "a string with a string", position=position)
    return Typed(Operation(METHODS[name], (subject.node, arguments[0].node)), "bool", subject.position)


def call(name: str, arguments: list[Typed], position: int) -> Typed:
    """A function that is written before what it works on."""
    if name not in FUNCTIONS:
        raise unknown_function(name, position)
    if len(arguments) != 1:
        raise Refusal(f"{name} with {len(arguments)} arguments", "one argument", position=position)
    argument = arguments[0]
    if name == "size":
        if argument.type != "string":
            raise Refusal(f"size of {argument.words}", "size of a string", position=argument.position)
        return Typed(Operation("size", (argument.node,)), "int", position)
    if name == "abs":
        if argument.type not in ("int", "double"):
            raise Refusal(f"abs of {argument.words}", "abs of an int or a double", position=argument.position)
        return Typed(Operation("abs", (argument.node,)), argument.type, position)
    if not isinstance(argument.node, Constant) or not isinstance(argument.node.value, str):
        raise Refusal(
            f"{name} of something that is not written out",
            f"a text, as in {_EXAMPLE[name]}",
            position=argument.position,
        )
    value = _written_out(name, argument.node.value, argument.position)
    return Typed(Constant("int", value), _LITERALS[name], position)


def unknown_function(name: str, position: int) -> Refusal:
    """The refusal of a function, a macro or a conversion that lanes do not run."""
    hint = "compare with null: x != null" if name == "has" else ""
    return Refusal(f"`{name}` is not a function that lanes run", FUNCTIONS_IN_WORDS, hint, position=position)


_LITERALS: dict[str, Type] = {"timestamp": "timestamp", "duration": "duration", "date": "date"}
_EXAMPLE = {
    "timestamp": 'timestamp("2020-02-01T00:00:00Z")',
    "duration": 'duration("36h")',
    "date": 'date("2020-02-01")',
}


def _written_out(name: str, text: str, position: int) -> int:
    value: int | None = None
    try:
        if name == "timestamp":
            value = _instant(text)
        elif name == "date":
            value = (date.fromisoformat(text) - date(1970, 1, 1)).days
        elif _DURATION.fullmatch(text):
            parts = sum(int(count) * _UNIT[unit] for count, unit in _DURATION_PART.findall(text))
            value = -parts if text.startswith("-") else parts
    except ValueError:
        value = None
    if value is None or value not in _INT64:
        raise Refusal(f"{name}({text!r})", f"{_EXAMPLE[name]}, exact to the millisecond", position=position)
    return value


def _instant(text: str) -> int | None:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or instant.microsecond % 1000:
        return None
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _mismatch(op: str, left: Typed, right: Typed, allowed: str) -> Refusal:
    hint = ""
    if {left.type, right.type} == {"int", "double"}:
        hint = "write the number with a point, as in 20.0, to compute with a double"
    elif {left.type, right.type} == {"timestamp", "string"}:
        hint = f"write the instant as {_EXAMPLE['timestamp']}"
    elif {left.type, right.type} == {"date", "string"}:
        hint = f"write the date as {_EXAMPLE['date']}"
    return Refusal(f"{_SIGN[op]} of {left.words} and {right.words}", allowed, hint, position=right.position)
