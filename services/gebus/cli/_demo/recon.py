"""The conflicts that the feed of conflicts holds, against those that `recon_city_day` lists for the same city-days."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from gebus.cli._demo.expectations import plain
from gebus.cli._demo.history import Told
from gebus.cli._demo.relations import standing

_CityDay = tuple[str, int]
_EPOCH = date(1970, 1, 1)
_SOURCES = {"canghailan": "canghailan", "dxy": "dxy_end_of_day"}
"""Parties, and their columns."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """City-days that both sources published, and on how many of them they disagree, there and here."""

    both: int
    listed: int
    found: int
    agreed: int
    """In conflict there and here."""

    @property
    def problem(self) -> str:
        """What is wrong, in words; empty where the feed finds what is listed, but for one in a hundred.

        The list looked names of places up by their beginnings, and took some for others.
        """
        few = self.listed // 100
        return "" if self.found - self.agreed <= few and self.listed - self.agreed <= few else self.words

    @property
    def words(self) -> str:
        return (
            f"recon_city_day: of {self.both} city-days that canghailan and dxy both published, {self.listed} are in "
            f"conflict by that list, {self.found} by the feed of conflicts, {self.agreed} by both"
        )


def compare(data: Path, told: Sequence[Told], conflicts: Iterable[Mapping[str, Any]]) -> Reconciliation | None:
    """None where the list is not at `data`.

    `conflicts` are the records of the feed. The list carries a count of dxy forward to days on which dxy published
    none; such days are left out, for nobody asserted anything.
    """
    path = data / "recon_city_day" / "three_sources.csv"
    if not path.is_file():
        return None
    said: dict[str, set[_CityDay]] = {party: set() for party in _SOURCES}
    for event in standing(told, "health.case_count"):
        if event["level"] in ("city", "county"):
            said[event["source"]].add((event["region"], event["as_of"]))
    there: dict[_CityDay, bool] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            one, other = (row[column] for column in _SOURCES.values())
            if one and other:
                there[row["cityCode"], (date.fromisoformat(row["date"]) - _EPOCH).days] = one != other
    both = set(there).intersection(*said.values())
    here = _in_conflict(conflicts) & both
    listed = {place for place in both if there[place]}
    return Reconciliation(len(both), len(listed), len(here), len(here & listed))


def _in_conflict(records: Iterable[Mapping[str, Any]]) -> set[_CityDay]:
    last = {str(record["entity_id"]): record for record in records}
    return {
        (str(record["region"]), int(plain(record["as_of"])))
        for record in last.values()
        if record["status"] != "RETRACTED" and "confirmed" in record["differs"].split(",")
    }
