"""Designated hospitals as clinics."""

from __future__ import annotations

from collections.abc import Iterator

from gebus_connectors.sources.clinics import place_key
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.identity import Revisions, digest
from gebus_connectors.sources.reading import BadRow, Event, Reading, Skipped
from gebus_connectors.sources.rows import Row, csv_rows, end_of, required, text
from gebus_connectors.sources.wuhan_support.config import WuhanSupportConfig


class WuhanSupportSource:
    """Each row of the list, once in each place that it stands in.

    Promised: names stay as they were written, slips of the pen included. Not promised: that two spellings of one
    hospital are known to be one.
    """

    def __init__(self, config: WuhanSupportConfig, divisions: Divisions) -> None:
        self._config, self._divisions = config, divisions

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "health.clinic")
        for row in csv_rows(self._config.hospitals):
            if isinstance(row, Skipped):
                yield row
                continue
            try:
                yield self._hospital(row, revisions)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _hospital(self, row: Row, revisions: Revisions) -> Event:
        province, name = required(row.cells, "province"), required(row.cells, "name")
        city, county = text(row.cells.get("city")), text(row.cells.get("suburb"))
        region = self._divisions.finest(province, city, county)
        if region is None:
            raise BadRow("no division of GB/T 2260 is called like its province")
        content = {
            "kind": "designated_hospital",
            "name": name,
            "address": text(row.cells.get("address")),
            "opening": None,
            "free_beds": None,
            "duty_phone": None,
            "source_url": None,
            "place_key": place_key(region, name),
        }
        entity = digest("hospital", province, city, county, name)
        return revisions.say(entity, end_of(self._config.as_of), region, content)
