"""Tariffs as dated data: what the use of a feed costs by its purpose, and how much may be earned in a month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol, get_args

from gebus.model.catalogue import Catalogue, CodeEntry, CodeList
from gebus.model.errors import Finding, PlanError
from gebus.model.leaf import NORMAL

TARIFF_LIST = "tariffs"
"""The code list of tariffs, `codes/tariffs.yaml`: a code is the purpose of feeds, or `emergency`."""
REVENUE_LIST = "permitted-revenue"
"""The code list of permitted revenue: its one code is `month`."""
EMERGENCY = "emergency"
"""The tariff of whatever is delivered in another mode than the normal one, whatever its purpose."""
MONTH = "month"

Use = Literal["governance", "welfare", "emergency", "commercial"]
Charge = Literal["free", "cost", "price"]

_CHARGES: Mapping[Use, tuple[Charge, ...]] = {
    "governance": ("free", "cost"),
    "welfare": ("free", "cost"),
    "emergency": ("free", "cost"),
    "commercial": ("price",),
}
_RATES = ("fen_per_1000_records", "fen_per_1000_values")
_CEILINGS = ("most_fen_per_1000_records", "most_fen_per_1000_values")
_ATTRIBUTES = frozenset({"use", "charge", "source", *_RATES, *_CEILINGS})
_CLASSES = 4


class Places(Protocol):
    """Where in its file a part of the catalogue is written."""

    def line(self, file: str, path: tuple[str | int, ...]) -> int: ...


@dataclass(frozen=True, slots=True)
class Tariff:
    """One line of the tariffs. Money is whole fen; `values` are by class, 1 to 4."""

    code: str
    valid_from: date | None
    valid_to: date | None
    use: Use
    charge: Charge
    """free: nothing; cost: the audited cost of extraction; price: a published price below its ceiling."""
    records: int
    values: tuple[int, int, int, int]
    source: str

    def amount(self, records: int, fields: Sequence[int]) -> int:
        """What so many records with so many values cost, a part of a fen left out."""
        thousandths = self.records * records
        thousandths += sum(rate * count for rate, count in zip(self.values, fields, strict=True))
        return thousandths // 1000


@dataclass(frozen=True, slots=True)
class Tariffs:
    """All lines of both lists.

    Promised: at any day at most one line holds for a purpose. Not promised: that there is one; then use is metered, and
    its statement says that nothing was charged for want of a tariff.
    """

    lines: tuple[Tariff, ...] = ()
    permitted: tuple[tuple[date | None, date | None, int], ...] = ()

    @classmethod
    def of(cls, codes: Mapping[str, CodeList]) -> Tariffs:
        """The tariffs of a catalogue; PlanError for the first line that breaks a rule."""
        lines = tuple(_tariff(entry) for entry in _entries(codes, TARIFF_LIST))
        permitted = tuple(_permitted(entry) for entry in _entries(codes, REVENUE_LIST))
        for line in lines:
            if line.use == "commercial" and not _covered(line, permitted):
                raise _broken(
                    TARIFF_LIST,
                    line.code,
                    "is a price, and for a part of its time no revenue is permitted",
                    f"a line `{MONTH}` of codes/{REVENUE_LIST}.yaml for every day of it",
                )
        return cls(lines, permitted)

    def at(self, purpose: str, mode: str, day: date) -> Tariff | None:
        """The line that holds on a day for what is delivered for a purpose in a mode."""
        code = purpose if mode == NORMAL else EMERGENCY
        return next((line for line in self.lines if line.code == code and _holds(line, day)), None)

    def permitted_in(self, month: date) -> int | None:
        """The most that may be earned in the month that begins on this day; None: nobody set a bound."""
        return next(
            (fen for begin, end, fen in self.permitted if (begin or date.min) <= month < (end or date.max)), None
        )


def check(catalogue: Catalogue, places: Places) -> list[Finding]:
    """What is wrong with the tariffs of a catalogue, with its line."""
    try:
        Tariffs.of(catalogue.codes)
    except PlanError as error:
        file, _, code = error.place.partition(": ")
        entries = catalogue.codes[file.removeprefix("codes/").removesuffix(".yaml")].entries
        path = next((("entries", index) for index, entry in enumerate(entries) if entry.code == code), ())
        found, _, allowed = error.problem.partition("; allowed: ")
        return [Finding(file, places.line(file, path), "tariff", f"{code} {found}", allowed)]
    return []


def _entries(codes: Mapping[str, CodeList], name: str) -> Iterator[CodeEntry]:
    yield from codes[name].entries if name in codes else ()


def _tariff(entry: CodeEntry) -> Tariff:
    given = entry.attributes
    if set(given) != _ATTRIBUTES:
        problem = f"has {', '.join(sorted(given)) or 'nothing'}"
        raise _broken(TARIFF_LIST, entry.code, problem, f"exactly {', '.join(sorted(_ATTRIBUTES))}")
    for name, choices in (("use", get_args(Use)), ("charge", get_args(Charge))):
        if given[name] not in choices:
            raise _broken(TARIFF_LIST, entry.code, f"{name} is {given[name]!r}", ", ".join(choices))
    if given["charge"] not in _CHARGES[given["use"]]:
        allowed = f"{' or '.join(_CHARGES[given['use']])} for {given['use']} use"
        raise _broken(TARIFF_LIST, entry.code, f"charge is {given['charge']}", allowed)
    if entry.code == EMERGENCY and given["use"] != "emergency":
        raise _broken(TARIFF_LIST, entry.code, f"use is {given['use']}", "emergency for the code emergency")
    if not isinstance(given["source"], str) or not given["source"].strip():
        raise _broken(TARIFF_LIST, entry.code, "has no source", "the decision or the audit that it follows")
    (records,), values = _rates(entry)
    first, second, third, fourth = values
    return Tariff(
        entry.code, entry.valid_from, entry.valid_to, given["use"], given["charge"], records,
        (first, second, third, fourth), given["source"],
    )  # fmt: skip


def _rates(entry: CodeEntry) -> tuple[list[int], list[int]]:
    """Both rates, each below its ceiling."""
    found = []
    for name, ceiling, length in zip(_RATES, _CEILINGS, (1, _CLASSES), strict=True):
        rates, most = (_whole(entry, part, length) for part in (name, ceiling))
        if any(rate > bound for rate, bound in zip(rates, most, strict=True)):
            found_rates = rates if length > 1 else rates[0]
            bound = (
                f"at most its ceiling, {most if length > 1 else most[0]}: lower it, or let the ceiling be decided anew"
            )
            raise _broken(TARIFF_LIST, entry.code, f"{name} is {found_rates}", bound)
        if entry.attributes["charge"] == "free" and any(rates):
            raise _broken(TARIFF_LIST, entry.code, f"{name} is not 0 and the charge is free", "0, or the charge `cost`")
        found.append(rates)
    return found[0], found[1]


def _whole(entry: CodeEntry, name: str, length: int) -> list[int]:
    value: Any = entry.attributes[name]
    numbers = value if length > 1 and isinstance(value, list | tuple) else [value]
    if len(numbers) != length or not all(type(number) is int and 0 <= number <= 10**9 for number in numbers):
        allowed = "a whole number of fen, 0 or more" if length == 1 else f"{length} whole numbers of fen, one a class"
        raise _broken(TARIFF_LIST, entry.code, f"{name} is {value!r}", allowed)
    return list(numbers)


def _permitted(entry: CodeEntry) -> tuple[date | None, date | None, int]:
    given = entry.attributes
    if entry.code != MONTH or set(given) != {"permitted_fen", "source"}:
        raise _broken(
            REVENUE_LIST, entry.code, "is not such a line", f"the code `{MONTH}` with permitted_fen and source"
        )
    fen = given["permitted_fen"]
    if type(fen) is not int or fen < 0:
        raise _broken(REVENUE_LIST, entry.code, f"permitted_fen is {fen!r}", "a whole number of fen, 0 or more")
    if any(day is not None and day.day != 1 for day in (entry.valid_from, entry.valid_to)):
        raise _broken(REVENUE_LIST, entry.code, "begins or ends within a month", "the first day of a month")
    return entry.valid_from, entry.valid_to, fen


def _covered(line: Tariff, permitted: Sequence[tuple[date | None, date | None, int]]) -> bool:
    """Whether every day of the line lies in one of the permitted spans."""
    day, last = line.valid_from or date.min, line.valid_to or date.max
    while day < last:
        end = next(
            (end or date.max for begin, end, _ in permitted if (begin or date.min) <= day < (end or date.max)), None
        )
        if end is None:
            return False
        day = end
    return True


def _holds(line: Tariff, day: date) -> bool:
    return (line.valid_from or date.min) <= day < (line.valid_to or date.max)


def _broken(name: str, code: str, problem: str, allowed: str) -> PlanError:
    return PlanError(f"codes/{name}.yaml: {code}", f"{problem}; allowed: {allowed}")
