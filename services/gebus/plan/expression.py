"""A compiled condition as a value: a typed tree that the kernel runs on the encoded bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

ScalarType = Literal["int", "double", "string", "bool"]
Scalar = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that the condition writes out. Instants, dates and durations are their integers."""

    type: ScalarType | Literal["null"]
    value: Scalar

    def to_json(self) -> dict[str, Any]:
        return {"op": "const", "type": self.type, "value": self.value}


@dataclass(frozen=True, slots=True)
class FieldValue:
    """The value at a path of the record; null where it, or a record above it, is null."""

    path: tuple[str, ...]
    type: ScalarType

    def to_json(self) -> dict[str, Any]:
        return {"op": "field", "path": list(self.path), "type": self.type}


@dataclass(frozen=True, slots=True)
class Items:
    """The constants on the right of `in`."""

    items: tuple[Constant, ...]

    def to_json(self) -> dict[str, Any]:
        return {"op": "list", "items": [item.to_json() for item in self.items]}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator or a function on its operands."""

    op: str
    args: tuple[Expression, ...]

    def to_json(self) -> dict[str, Any]:
        return {"op": self.op, "args": [argument.to_json() for argument in self.args]}


Expression = Constant | FieldValue | Items | Operation


def conjuncts(expression: Expression) -> Iterator[Expression]:
    """The parts that must all hold, of which an index can use one."""
    if isinstance(expression, Operation) and expression.op == "and":
        for part in expression.args:
            yield from conjuncts(part)
    else:
        yield expression


def fields_of(expression: Expression) -> Iterator[FieldValue]:
    """Every field that the expression reads."""
    if isinstance(expression, FieldValue):
        yield expression
    elif isinstance(expression, Operation):
        for part in expression.args:
            yield from fields_of(part)
