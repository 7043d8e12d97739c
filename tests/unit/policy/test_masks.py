"""Of two masks, one leaves no more than the other exactly where it can be computed from it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from gebus.model.event import Mask
from gebus.policy import describe, inapplicable
from gebus.policy.masks import leaves_no_more
from gebus.testing.oracle_masks import masked

OF_TEXT = (
    Mask("null"),
    Mask("fixed", value="x"),
    Mask("partial", first=0, last=0),
    Mask("partial", first=1, last=0),
    Mask("partial", first=0, last=2),
    Mask("partial", first=1, last=2),
    Mask("division", digits=2),
    Mask("division", digits=4),
    Mask("token"),
)
OF_DATES = tuple(Mask("date", unit=unit) for unit in ("day", "month", "year"))
OF_PLACES = tuple(Mask("grid", width=width) for width in (1, 2, 3, 6))
OF_NUMBERS = tuple(Mask("band", width=width) for width in (2, 3, 4, 6))

PLACES = [quarter / 240 for quarter in range(-400, 400)]
TEXTS = ["".join(text) for length in range(7) for text in product("12", repeat=length)]


def computable(one: Mask, other: Mask, values: list[Any]) -> bool:
    """Whether equal results of `other` always go with equal results of `one`."""
    results: dict[Any, Any] = {}
    return all(
        results.setdefault(masked(v, other, b"key"), masked(v, one, b"key")) == masked(v, one, b"key") for v in values
    )


@pytest.mark.parametrize(
    ("masks", "values"),
    [(OF_TEXT, TEXTS), (OF_DATES, list(range(18000, 18800))), (OF_NUMBERS, list(range(-50, 50))), (OF_PLACES, PLACES)],
)
def test_no_more_is_left_means_computable(masks: tuple[Mask, ...], values: list[Any]) -> None:
    for one, other in product(masks, repeat=2):
        if leaves_no_more(one, other):
            assert computable(one, other, values), f"{describe(one)} is not computable from {describe(other)}"


def test_the_guard_itself_fails_where_more_is_left() -> None:
    assert not computable(Mask("division", digits=4), Mask("division", digits=2), TEXTS)


@pytest.mark.parametrize(
    ("mask", "avro", "problem"),
    [
        (Mask("partial", first=3, last=4), "string", None),
        (Mask("partial", first=3, last=4), "long", "first 3 and last 4 characters needs a string"),
        (Mask("division", digits=2), "int", "cut to the province needs a string"),
        (Mask("fixed", value="x"), {"type": "string", "logicalType": "uuid"}, "always 'x' needs a string"),
        (Mask("date", unit="month"), {"type": "int", "logicalType": "date"}, None),
        (Mask("date", unit="month"), "int", "cut to the month needs a date"),
        (Mask("instant", unit="day"), "long", "cut to the day needs a timestamp-millis"),
        (Mask("band", width=10), "long", None),
        (Mask("band", width=10), "double", "lower end of its band of 10 needs an int or a long"),
        (Mask("division", digits=9), "int", "cut to the street needs a string"),
        (Mask("parent"), "long", "cut to the division that it lies in needs a string"),
        (Mask("grid", width=1), "string", "cut to a grid of 1 arc minute needs a float or a double"),
        (Mask("grid", width=3), "int", "cut to a grid of 3 arc minutes needs a float or a double"),
        (Mask("grid", width=3), "double", None),
        (Mask("token"), "boolean", "keyed token needs a string, an int or a long"),
        (Mask("null"), {"type": "array", "items": "string"}, None),
        (Mask("drop"), "bytes", None),
    ],
)
def test_what_a_mask_can_be_put_on(mask: Mask, avro: Any, problem: str | None) -> None:
    assert inapplicable(mask, avro) == problem
