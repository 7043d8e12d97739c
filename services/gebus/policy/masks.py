"""Masks in words, and which of two leaves less."""

from __future__ import annotations

from gebus.model.event import AvroType, Mask
from gebus.model.mask import type_needed

_UNITS = ("day", "month", "year")
_DIVISION_NAME = {2: "province", 4: "city", 6: "county", 9: "street"}


def inapplicable(mask: Mask, avro: AvroType) -> str | None:
    """Why `mask` cannot be put on a field of this type (its null left aside), or None where it can."""
    needed = type_needed(mask, avro)
    return None if needed is None else f"{describe(mask)} needs {needed}"


def describe(mask: Mask) -> str:
    """The mask in words, as `gebus explain` prints it."""
    return {
        "drop": "dropped",
        "null": "always null",
        "fixed": f"always {mask.value!r}",
        "partial": f"first {mask.first} and last {mask.last} characters",
        "division": f"cut to the {_DIVISION_NAME.get(mask.digits, f'first {mask.digits} digits')}",
        "parent": "cut to the division that it lies in",
        "date": f"cut to the {mask.unit}",
        "instant": f"cut to the {mask.unit}",
        "band": f"lower end of its band of {mask.width}",
        "grid": f"cut to a grid of {mask.width} arc minute{'s' * (mask.width != 1)}",
        "token": "keyed token",
    }[mask.kind]


def leaves_no_more(one: Mask, other: Mask) -> bool:
    """Whether what `one` delivers can be computed from what `other` delivers, for every value.

    Then `one` tells nothing that `other` does not. Two masks can fail this both ways: a token links records that a
    generalised value does not, and a generalised value tells what a token hides. Partial masks only compare where
    they are equal or one shows no character at all, for a value too short for the wider one is all stars there.
    """
    if one == other or one.kind in ("drop", "null", "fixed"):
        return True
    if one.kind != other.kind:
        return False
    if one.kind in ("date", "instant"):
        return _UNITS.index(one.unit) >= _UNITS.index(other.unit)
    if one.kind in ("band", "grid"):
        return one.width % other.width == 0
    if one.kind == "division":
        return one.digits <= other.digits
    return one.kind == "partial" and one.first == one.last == 0
