"""What a written mask means, and what it can be put on."""

from __future__ import annotations

from typing import Literal

from gebus.model.event import AvroType, Mask
from gebus.model.feed import GeneraliseMask, MaskChoice

_DIGITS = {"province": 2, "city": 4, "county": 6, "street": 9}


def mask_of(choice: Literal["null", "token", "drop"] | MaskChoice) -> Mask:
    """The mask that an author wrote."""
    if isinstance(choice, str):
        return Mask(kind=choice)
    if choice.fixed is not None:
        return Mask(kind="fixed", value=choice.fixed)
    if choice.partial is not None:
        return Mask(kind="partial", first=choice.partial.first, last=choice.partial.last)
    if choice.generalise is None:
        raise AssertionError("a mask choice holds exactly one kind")
    return generalisation_of(choice.generalise)


def generalisation_of(choice: GeneraliseMask) -> Mask:
    """The mask behind a written generalisation."""
    if choice.division is not None:
        if choice.division == "parent":
            return Mask(kind="parent")
        return Mask(kind="division", digits=_DIGITS[choice.division])
    if choice.date is not None:
        return Mask(kind="date", unit=choice.date)
    if choice.instant is not None:
        return Mask(kind="instant", unit=choice.instant)
    if choice.grid is not None:
        return Mask(kind="grid", width=choice.grid)
    return Mask(kind="band", width=choice.band or 0)


def type_needed(mask: Mask, avro: AvroType) -> str | None:
    """The type that `mask` needs, where a field of type `avro` (its null left aside) is not of it; None where it is."""
    name = avro if isinstance(avro, str) else avro.get("type")
    logical = None if isinstance(avro, str) else avro.get("logicalType")
    match mask.kind:
        case "drop" | "null":
            return None
        case "fixed" | "partial" | "division" | "parent":
            fits, needed = name == "string" and logical is None, "a string"
        case "token":
            fits, needed = name in ("string", "int", "long"), "a string, an int or a long"
        case "date":
            fits, needed = logical == "date", "a date"
        case "instant":
            fits, needed = logical == "timestamp-millis", "a timestamp-millis"
        case "grid":
            fits, needed = name in ("float", "double"), "a float or a double"
        case "band":
            fits, needed = name in ("int", "long") and logical is None, "an int or a long"
    return None if fits else needed
