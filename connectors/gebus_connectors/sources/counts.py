"""What the sources of case counts share: the place that is counted, the entity, and the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gebus_connectors.sources.divisions import Divisions, level_of
from gebus_connectors.sources.rows import days_since_epoch, whole


@dataclass(frozen=True, slots=True)
class Place:
    """A division, or (`uncoded`) a group or zone that has a name and lies in the division `region`."""

    region: str
    level: str
    name: str

    @classmethod
    def of(cls, code: str, divisions: Divisions) -> Place:
        """The place of a code, under the name of the code list: sources write it in many ways."""
        return cls(code, level_of(code), divisions.name(code) or code)


def entity_of(place: Place, when: date) -> str:
    """The count of a place on a day: the same for every source, so that what they say of it can be compared."""
    beyond = f"/{place.name}" if place.level == "uncoded" else ""
    return f"{place.region}/{when.isoformat()}{beyond}"


def cumulative(place: Place, when: date, cells: Mapping[str, Any], column: str) -> dict[str, object]:
    """The content of a `health.case_count`; `column` makes the name of a cell from the name of a number."""
    return {
        "level": place.level,
        "place": place.name,
        "as_of": days_since_epoch(when),
        **{name: whole(cells, column.format(name)) for name in ("confirmed", "suspected", "cured", "dead")},
    }
