"""Statements: what a party's use of its grants came to in a month. Pure: sums and tariffs in, whole fen out.

The revenue of a month is what all parties' commercial use comes to, less what is deducted in it. Where it is more than
is permitted, the rest is deducted from the commercial charges of the months that follow, in proportion to them:

    carried(m + 1) = carried(m) - deducted(m) + max(0, charged(m) - deducted(m) - permitted(m))
    deducted(m)    = min(carried(m), charged(m))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from gebus.usage.book import Entry, Metered
from gebus.usage.tariffs import Tariff, Tariffs


@dataclass(frozen=True, slots=True)
class Line:
    """What one grant came to in one mode by one tariff."""

    grant: str
    feed: str
    purpose: str
    """"" for a feed that the catalogue no longer has."""
    mode: str
    tariff: Tariff | None
    """None: no tariff holds for the purpose, so that nothing is charged."""
    metered: Metered
    fen: int
    entries: tuple[Entry, ...]
    """What it was summed from; each names the offsets of its leaves."""


@dataclass(frozen=True, slots=True)
class Period:
    """A month of all parties' commercial use, in fen. `permitted` is None where nobody set a bound."""

    month: date
    charged: int
    carried: int
    """What was earned too much before, and not given back yet."""
    deducted: int
    permitted: int | None

    @property
    def revenue(self) -> int:
        return self.charged - self.deducted

    @property
    def excess(self) -> int:
        """What the next months give back."""
        return max(0, self.revenue - self.permitted) if self.permitted is not None else 0


@dataclass(frozen=True, slots=True)
class Statement:
    """A party's month. `deducted` is its part of what is given back."""

    party: str
    month: date
    lines: tuple[Line, ...]
    deducted: int
    period: Period

    @property
    def charged(self) -> int:
        return sum(line.fen for line in self.lines)

    @property
    def total(self) -> int:
        return self.charged - self.deducted


def month_after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def lines_of(entries: Iterable[Entry], purposes: Mapping[str, str], tariffs: Tariffs) -> list[Line]:
    """The lines of one month's entries, by grant, mode and tariff, in order.

    A part of a fen is left out once a line, not once a day.
    """
    groups: dict[tuple[str, str, str, Tariff | None], list[Entry]] = {}
    for entry in entries:
        purpose = purposes.get(entry.feed, "")
        tariff = tariffs.at(purpose, entry.mode, entry.day)
        groups.setdefault((entry.feed, entry.grant, entry.mode, tariff), []).append(entry)
    made = []
    for (feed, grant, mode, tariff), parts in groups.items():
        metered = sum((part.metered for part in parts), Metered())
        fen = tariff.amount(metered.records, metered.fields) if tariff is not None else 0
        made.append(Line(grant, feed, purposes.get(feed, ""), mode, tariff, metered, fen, tuple(parts)))
    return sorted(made, key=lambda line: (line.feed, line.grant, line.mode, line.entries[0].day))


def statement(
    party: str, month: date, entries: Iterable[Entry], purposes: Mapping[str, str], tariffs: Tariffs
) -> Statement:
    """The statement of a party for the month that begins on `month`, from all entries of the book up to its end.

    Promised: the same book, feeds and tariffs give the same statement; over all parties of a month the deductions add
    up to what is deducted, and none is more than the party's commercial charge. Not promised: that a month that is not
    over stays as it is.
    """
    months: dict[date, list[Entry]] = {}
    for entry in entries:
        if entry.day < month_after(month):
            months.setdefault(entry.day.replace(day=1), []).append(entry)
    charges: dict[str, int] = {}
    period = Period(month, 0, 0, 0, tariffs.permitted_in(month))
    lines: list[Line] = []
    current, carried = min([*months, month]), 0
    while current <= month:
        lines = lines_of(months.get(current, ()), purposes, tariffs)
        charges = commercial(lines)
        charged = sum(charges.values())
        period = Period(current, charged, carried, min(carried, charged), tariffs.permitted_in(current))
        carried = carried - period.deducted + period.excess
        current = month_after(current)
    own = tuple(line for line in lines if line.feed.partition("/")[0] == party)
    return Statement(party, month, own, shares(period.deducted, charges).get(party, 0), period)


def commercial(lines: Iterable[Line]) -> dict[str, int]:
    """What each party's commercial use comes to."""
    charges: dict[str, int] = {}
    for line in lines:
        if line.tariff is not None and line.tariff.use == "commercial":
            party = line.feed.partition("/")[0]
            charges[party] = charges.get(party, 0) + line.fen
    return charges


def shares(deducted: int, charges: Mapping[str, int]) -> dict[str, int]:
    """An amount split over parties in proportion to their charges, in whole fen that add up to it.

    `deducted` is at most the sum of the charges. Who is next to a whole fen gets the fen that are left over; among
    equals the first by name.
    """
    whole = sum(charges.values())
    if not whole:
        return {}
    parts = {party: deducted * charge // whole for party, charge in charges.items()}
    left = deducted - sum(parts.values())
    nearest = sorted(charges, key=lambda party: (-(deducted * charges[party] % whole), party))
    for party in nearest[:left]:
        parts[party] += 1
    return parts
