"""What the sources of journeys share: numbers, seats as people write them, and the rules that hold for a case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from gebus.model.catalogue import CodeEntry, CodeList
from gebus_connectors.sources.reading import BadRow
from gebus_connectors.sources.rows import days_since_epoch

Carrier = Literal["aircraft", "train"]

_NUMBER: dict[Carrier, re.Pattern[str]] = {
    "aircraft": re.compile(r"(?=.?[A-Z])[A-Z0-9]{2}[0-9]{3,4}"),
    "train": re.compile(r"[A-Z]?[0-9]{1,4}"),
}
_ROWS = re.compile(r"(\d{1,3})-(\d{1,3})排")
_SEAT = re.compile(r"(?<![0-9A-Z])(\d{1,3})排?([A-HJ-L])(?![0-9A-Z])")
_CARS = re.compile(r"((?:加|[A-Z])?\d{1,2}(?:、\d{1,2})*)\s*号?车")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a carrier: what the journey of a case and a list of passengers have in common."""

    carrier: Carrier
    carrier_no: str
    service_date: date
    region: str


@dataclass(frozen=True, slots=True)
class Spot:
    """Where on the carrier a case was, or (`rows`) whom the notice calls; None for what it does not say."""

    car: str | None = None
    row: int | None = None
    seat: str | None = None
    rows: tuple[int, int] | None = None


def carrier_numbers(written: str, carrier: Carrier) -> Iterator[str]:
    """The numbers of one run, several where it has one for each airline: `ZH4751(CA8215)`. BadRow for anything else."""
    for part in filter(None, re.split(r"[()（）、/\s]+", written.upper())):
        if not _NUMBER[carrier].fullmatch(part):
            raise BadRow(f"{part[:20]!r} is no number of {'a flight' if carrier == 'aircraft' else 'a train'}")
        yield part


def spots(words: str, carrier: Carrier) -> list[Spot]:
    """The seats, cars or rows that words name; one Spot that knows nothing if they name none.

    `21D`, `24-30排`, `6号车厢3排D座`, `17车03F`, `3、17号车厢`. A number without a letter (`95号`) is no row: berths
    and seats of old cars are counted through.
    """
    if carrier == "aircraft":
        ranges = [Spot(rows=(int(first), int(last))) for first, last in _ROWS.findall(words)]
        return ranges or [_seat(words, None)]
    found = _CARS.search(words)
    if found is None:
        return [_seat(words, None)]
    cars = [car if not car.isdecimal() else str(int(car)) for car in found[1].split("、")]
    return [_seat(words[found.end() :], car) if len(cars) == 1 else Spot(car) for car in cars]


def _seat(words: str, car: str | None) -> Spot:
    seat = _SEAT.search(words)
    return Spot(car) if seat is None else Spot(car, int(seat[1]), seat[2])


class CoTravel:
    """The content of a `health.case_trip`, by the rules of `codes/` on the day and in the place of the event.

    Promised: the area is what the rule says, widened to the car or the whole carrier where the notice does not say
    where the case was: whoever may have been near is told. Rows are counted as if there were a row 13. Not promised:
    that rows which a notice names itself are those of the rule; they are taken as they are.
    """

    def __init__(self, rules: CodeList, look_back: CodeList) -> None:
        self._rules, self._look_back = rules, look_back

    def trip(
        self, run: Run, spot: Spot, *, at: int, onset: date | None = None, source_url: str | None = None
    ) -> dict[str, object]:
        """What is said of a case's journey by an event that occurred `at`."""
        # The day by which codes are checked when the event is published.
        day = datetime.fromtimestamp(at / 1000, UTC).date()
        rule, edition = self._rule(run, day), self._edition(run.region, day)
        back = int(edition.attributes["days"])
        area, rows = _area(str(rule.attributes["area"]), rule.attributes["rows"], spot)
        return {
            "carrier": rule.code,
            "carrier_no": run.carrier_no,
            "service_date": days_since_epoch(run.service_date),
            "car": spot.car,
            "row": spot.row,
            "seat": spot.seat,
            "symptom_onset": None if onset is None else days_since_epoch(onset),
            "look_back": edition.code,
            "look_back_days": back,
            "infectious_from": None if onset is None else days_since_epoch(onset - timedelta(days=back)),
            "contact_area": area,
            "contact_row_from": rows and rows[0],
            "contact_row_to": rows and rows[1],
            "source_url": source_url,
        }

    def _rule(self, run: Run, day: date) -> CodeEntry:
        valid = self._rules.at(day)
        if run.carrier == "aircraft":
            return _one(valid.get("aircraft"), self._rules, day)
        sealed = _one(valid.get("train_sealed"), self._rules, day)
        letters = str(sealed.attributes["letters"])
        return sealed if run.carrier_no[0] in letters else _one(valid.get("train_open"), self._rules, day)

    def _edition(self, region: str, day: date) -> CodeEntry:
        """The edition of the smallest division that the region lies in."""
        holding = [entry for entry in self._look_back.at(day).values() if _lies_in(region, entry.attributes["region"])]
        nearest = max(holding, key=lambda entry: len(_significant(entry.attributes["region"])), default=None)
        return _one(nearest, self._look_back, day)


def _area(area: str, reach: int | None, spot: Spot) -> tuple[str, tuple[int, int] | None]:
    if spot.rows is not None:
        return "rows", spot.rows
    if area in ("car", "car_rows") and spot.car is None:
        return "carrier", None
    if area in ("rows", "car_rows"):
        if spot.row is None or reach is None:
            return ("carrier" if area == "rows" else "car"), None
        return area, (max(1, spot.row - reach), spot.row + reach)
    return area, None


def _one(entry: CodeEntry | None, codes: CodeList, day: date) -> CodeEntry:
    if entry is None:
        raise BadRow(f"codes/{codes.name}.yaml has no rule for {day}")
    return entry


def _lies_in(region: str, division: str) -> bool:
    return region.startswith(_significant(division))


def _significant(division: str) -> str:
    """What the codes of all divisions within it begin with; nothing for the whole country."""
    return "" if division == "100000" else re.sub(r"(00)+$", "", division)
