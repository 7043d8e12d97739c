"""DXY's cumulative counts, which change many times a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gebus_connectors.sources.counts import Place, cumulative, entity_of
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.dxy.config import DxyConfig
from gebus_connectors.sources.identity import Revisions
from gebus_connectors.sources.reading import BadRow, Event, Reading, Skipped
from gebus_connectors.sources.rows import Row, china_day, csv_rows, moment, required, text


class DxyCountsSource:
    """Every count of a province or city, in the order of DXY's updates.

    Promised: within a day each value that differs from the one before is a revision, a wrong value that is taken
    back included; a value that is only repeated is its event again. Not promised: that DXY's table names every
    place by a code; what has none is `uncoded`, in its province.
    """

    def __init__(self, config: DxyConfig, divisions: Divisions) -> None:
        self._config, self._divisions = config, divisions

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "health.case_count")
        updates: list[tuple[int, Row]] = []
        for path in self._config.counts:
            for row in csv_rows(path):
                if isinstance(row, Skipped):
                    yield row
                    continue
                try:
                    updates.append((moment(required(row.cells, "updateTime")), row))
                except BadRow as bad:
                    yield row.skipped(str(bad))
        # The two files overlap in time: only their merged order tells which value replaced which.
        for at, row in sorted(updates, key=lambda update: update[0]):
            try:
                yield from self._row(at, row.cells, revisions)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _row(self, at: int, cells: Mapping[str, Any], revisions: Revisions) -> Iterator[Event]:
        province = self._divisions.coded(required(cells, "province_zipCode"))
        if province is None:
            raise BadRow("province_zipCode is no code of GB/T 2260")
        city = text(cells["cityName"])
        written = text(cells["province_confirmedCount"])
        if written is None and city is None:
            raise BadRow("counts of neither a province nor a city")
        if written is not None:
            yield self._count(at, Place.of(province, self._divisions), cells, "province", revisions)
        if city is not None:
            yield self._count(at, self._city(province, city, text(cells["city_zipCode"])), cells, "city", revisions)

    def _count(self, at: int, place: Place, cells: Mapping[str, Any], of: str, revisions: Revisions) -> Event:
        when = china_day(at)
        content = cumulative(place, when, cells, of + "_{}Count")
        return revisions.say(entity_of(place, when), at, place.region, content)

    def _city(self, province: str, name: str, zip_code: str | None) -> Place:
        code = self._divisions.coded(zip_code) or self._divisions.within(province, name)
        # 南阳（含邓州） is more than 南阳: a name with brackets is a place of its own.
        if code is None or "（" in name or "(" in name:
            return Place(code or province, "uncoded", name)
        return Place.of(code, self._divisions)
