"""One event for each official notice and place: what it added, or took back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gebus_connectors.sources.counts import Place
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.identity import digest, make_event
from gebus_connectors.sources.reading import BadRow, Event, Reading, Skipped
from gebus_connectors.sources.rows import Row, csv_rows, day, days_since_epoch, end_of, required, text, whole
from gebus_connectors.sources.thepaper.config import ThePaperConfig

_NUMBERS = {"new_confirmed": "新增确诊", "new_cured": "新增出院", "new_dead": "新增死亡"}
_LINKS = ("来源链接1", "来源链接2", "来源链接3")
_NO_CITY = (None, "NA")


class ThePaperSource:
    """The rows of the table in its order.

    Promised: two rows that say the same of the same notice are one event, given twice. Not promised: that increments
    add up to another source's cumulative counts; their standards differ, and their topics with them.
    """

    def __init__(self, config: ThePaperConfig, divisions: Divisions) -> None:
        self._config, self._divisions = config, divisions

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        for row in csv_rows(self._config.notices, self._config.encoding):
            if isinstance(row, Skipped):
                yield row
                continue
            try:
                yield self._notice(row)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _notice(self, row: Row) -> Event:
        when, place = day(required(row.cells, "报道时间")), self._place(row.cells)
        numbers = {
            name: whole(row.cells, column) if text(row.cells[column]) else None for name, column in _NUMBERS.items()
        }
        if not any(number is not None for number in numbers.values()):
            raise BadRow("none of the three numbers is given")
        content: dict[str, object] = {
            "level": place.level,
            "place": place.name,
            "reported_on": days_since_epoch(when),
            **numbers,
            "authority": " ".join(required(row.cells, "消息来源").split()),
            "source_urls": [link for link in (text(row.cells[name]) for name in _LINKS) if link],
            "note": text(row.cells["备注"]),
        }
        entity = digest("notice", place.region, place.name, content)
        return make_event(
            self.party, "health.case_increment", entity, at=end_of(when), region=place.region, content=content
        )

    def _place(self, cells: Mapping[str, Any]) -> Place:
        region = self._divisions.province(required(cells, "省份"))
        if region is None:
            raise BadRow("outside the divisions of GB/T 2260")
        city = text(cells["城市"])
        if city in _NO_CITY or city is None:
            return Place.of(region, self._divisions)
        code = self._divisions.within(region, city)
        return Place(region, "uncoded", city) if code is None else Place.of(code, self._divisions)
