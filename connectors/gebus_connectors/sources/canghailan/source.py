"""Cumulative counts by day and division: first what was revised, as it was revised, then how every day ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gebus_connectors.sources.canghailan.config import CanghailanConfig
from gebus_connectors.sources.counts import Place, cumulative, entity_of
from gebus_connectors.sources.divisions import CHINA_CODE, Divisions
from gebus_connectors.sources.identity import Revisions
from gebus_connectors.sources.reading import BadRow, Reading, Skipped
from gebus_connectors.sources.rows import Row, csv_rows, day, end_of, moment, required, text

_OPERATIONS = ("late_add", "revise", "remove")


class CanghailanSource:
    """The history of every day's count.

    Promised: a count that was revised is first given as it was, then corrected or retracted at the time at which
    that was seen; in the end every day stands as the collection has it now. Not promised: when a day's first count
    was published; it is dated at the end of its day.
    """

    def __init__(self, config: CanghailanConfig, divisions: Divisions) -> None:
        self._config, self._divisions = config, divisions

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "health.case_count")
        for path, events in ((self._config.revisions, self._revised), (self._config.daily, self._final)):
            for row in csv_rows(path):
                if isinstance(row, Skipped):
                    yield row
                    continue
                try:
                    yield from events(row, revisions)
                except BadRow as bad:
                    yield row.skipped(str(bad))

    def _revised(self, row: Row, revisions: Revisions) -> Iterator[Reading]:
        operation = required(row.cells, "op")
        if operation not in _OPERATIONS:
            raise BadRow(f"op is {operation!r}; known are {', '.join(_OPERATIONS)}")
        when, seen_at = day(required(row.cells, "date")), moment(required(row.cells, "seen_at"))
        place = self._place(row.cells)
        entity = entity_of(place, when)
        if operation != "late_add" and not revisions.knows(entity):
            before = cumulative(place, when, row.cells, "old_{}")
            yield revisions.say(entity, min(end_of(when), seen_at), place.region, before)
        if operation == "remove":
            event = revisions.retract(entity, seen_at)
            if event is None:
                raise BadRow("a removal of what was removed before")
            yield event
        else:
            yield revisions.say(entity, seen_at, place.region, cumulative(place, when, row.cells, "new_{}"))

    def _final(self, row: Row, revisions: Revisions) -> Iterator[Reading]:
        when, place = day(required(row.cells, "date")), self._place(row.cells)
        content = cumulative(place, when, row.cells, "{}")
        yield revisions.say(entity_of(place, when), end_of(when), place.region, content)

    def _place(self, cells: Mapping[str, Any]) -> Place:
        """Early versions hold names where codes belong; their rows were removed when the codes came."""
        province, city = text(cells["provinceCode"]), text(cells["cityCode"])
        if province is None:
            return Place(CHINA_CODE, "country", "全国")
        region = self._divisions.coded(province)
        if region is None:
            named = self._divisions.province(province)
            if named is None:
                raise BadRow("provinceCode is neither a code of GB/T 2260 nor the name of a province")
            return Place(named, "uncoded", " ".join(filter(None, (province, city))))
        written = city or text(cells.get("city"))
        if written is None:
            return Place.of(region, self._divisions)
        code = self._divisions.coded(city)
        return Place(region, "uncoded", written) if code is None else Place.of(code, self._divisions)
