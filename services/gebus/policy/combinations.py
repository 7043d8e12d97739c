"""Fields that tell together what none of them tells alone, as dated data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from gebus.model.catalogue import CodeEntry
from gebus.model.event import TELLS, EventField, Mask
from gebus.policy.entries import broken, check_choice, check_keys, check_source
from gebus.policy.masks import describe

COMBINATION_LIST = "field-combinations"
"""The code list that holds them: `codes/field-combinations.yaml`."""

Fineness = Literal["clear", "some", "day", "month", "year", "county", "city", "province"]
"""At least so much of a value is shown. `some`: any part of it, however masked."""

_DATES: Mapping[str, tuple[Fineness, ...]] = {
    "day": ("day", "month", "year"),
    "month": ("month", "year"),
    "year": ("year",),
}
_MASKED = tuple(word for word in get_args(Fineness) if word != "clear")


@dataclass(frozen=True, slots=True)
class Combination:
    """What a view up to `up_to_tier` does not show together: kinds of fields, each at least so finely.

    It does not hold where the person is named anyway: where one of its parts that identifies directly is in clear, or,
    if none of its parts identifies directly, where any such field is.
    """

    code: str
    parts: Mapping[str, Fineness]
    up_to_tier: int
    source: str
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A field of a view: what is delivered of it, None where that is all."""

    name: str
    field: EventField
    mask: Mask | None

    @property
    def words(self) -> str:
        return "in clear" if self.mask is None else describe(self.mask)


def told_together(
    combinations: Sequence[Combination], tier: int, view: Sequence[Shown]
) -> Iterator[tuple[Combination, list[Shown]]]:
    """Each combination that the view shows, with the fields that make it."""
    named = [one for one in view if one.field.identifies == "direct" and one.mask is None]
    for combination in combinations:
        if tier > combination.up_to_tier:
            continue
        found = [
            [one for one in view if one.field.tells == kind and fineness in _shown(one.mask)]
            for kind, fineness in combination.parts.items()
        ]
        parts = [one for of_kind in found for one in of_kind]
        direct = [one for one in parts if one.field.identifies == "direct"]
        if all(found) and not any(one in named for one in (direct or named)):
            yield combination, parts


def combination_of(entry: CodeEntry) -> Combination:
    """The combination of an entry; PlanError for one that is incomplete or names what no field tells."""
    given = entry.attributes
    check_keys(COMBINATION_LIST, entry, {"parts", "up_to_tier", "source"})
    check_choice(COMBINATION_LIST, entry, "up_to_tier", (1, 2, 3, 4))
    parts = given["parts"]
    if not isinstance(parts, Mapping) or len(parts) < 2:
        raise broken(COMBINATION_LIST, entry.code, f"parts is {parts!r}; allowed: two kinds of fields or more")
    for kind, fineness in parts.items():
        if kind not in TELLS:
            raise broken(COMBINATION_LIST, entry.code, f"no field tells {kind!r}; allowed: {', '.join(TELLS)}")
        if fineness not in get_args(Fineness):
            allowed = ", ".join(get_args(Fineness))
            raise broken(COMBINATION_LIST, entry.code, f"{kind} is {fineness!r}; allowed: {allowed}")
    source = check_source(COMBINATION_LIST, entry)
    return Combination(entry.code, dict(parts), given["up_to_tier"], source, entry.valid_from, entry.valid_to)


def _shown(mask: Mask | None) -> tuple[Fineness, ...]:
    """What a masked value still shows. Nobody knows what the characters of a partial mask say, so they say all."""
    if mask is None:
        return get_args(Fineness)
    match mask.kind:
        case "date" | "instant":
            return ("some", *_DATES[mask.unit])
        case "partial" if mask.first + mask.last > 0:
            return _MASKED
        case "division" | "parent":
            digits = mask.digits if mask.kind == "division" else 12
            levels: tuple[tuple[int, Fineness], ...] = ((6, "county"), (4, "city"), (2, "province"))
            return ("some", *(level for least, level in levels if digits >= least))
        case "band" | "grid":
            return ("some",)
    return ()
