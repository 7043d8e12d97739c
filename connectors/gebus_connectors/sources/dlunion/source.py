"""One event for each number, car and seat of each line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

from gebus_connectors.sources.divisions import CHINA_CODE, Divisions
from gebus_connectors.sources.dlunion.config import DlunionConfig
from gebus_connectors.sources.identity import Revisions, digest
from gebus_connectors.sources.journeys import Carrier, CoTravel, Run, carrier_numbers, spots
from gebus_connectors.sources.reading import BadRow, Reading, Skipped
from gebus_connectors.sources.rows import Row, csv_rows, end_of, required, text

_CARRIERS: Mapping[str, Carrier] = {"飞机": "aircraft", "火车": "train"}
_MONTH_DAY = re.compile(r"(\d{1,2})月(\d{1,2})日?")
_PUBLISHED = re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})")


class DlunionSource:
    """The lines of all tables in order.

    Promised: a journey that stands in several tables, or was typed from several accounts, is one event, given again;
    its link is the first one. Not promised: that two lines of one car are two cases; the tables do not tell.
    """

    def __init__(self, config: DlunionConfig, divisions: Divisions, rules: CoTravel) -> None:
        self._config, self._divisions, self._rules = config, divisions, rules

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "health.case_trip")
        first: dict[str, tuple[int, str | None]] = {}
        for path in self._config.tables:
            for row in csv_rows(path, self._config.encoding):
                if isinstance(row, Skipped):
                    yield row
                    continue
                try:
                    yield from self._journey(row, revisions, first)
                except BadRow as bad:
                    yield row.skipped(str(bad))

    def _journey(self, row: Row, revisions: Revisions, first: dict[str, tuple[int, str | None]]) -> Iterator[Reading]:
        cells = row.cells
        kind = required(cells, "类别")
        carrier = _CARRIERS.get(kind)
        if carrier is None:
            raise BadRow(f"{kind[:10]} is no carrier that has a list of passengers")
        published = _published(required(cells, "发布时间"))
        when = _day(required(cells, "日期"), published)
        region = self._divisions.mentioned(text(cells["出发地"]) or "") or CHINA_CODE
        found = spots(text(cells["车厢/座位等"]) or "", carrier)
        # Nothing is given of a line that is bad in part.
        for number in list(carrier_numbers(required(cells, "车次/航班/车牌"), carrier)):
            for spot in found:
                entity = digest("journey", number, when.isoformat(), spot.car, spot.row, spot.seat, spot.rows)
                at, link = first.setdefault(entity, (end_of(published), text(cells["引用"])))
                content = self._rules.trip(Run(carrier, number, when, region), spot, at=at, source_url=link)
                yield revisions.say(entity, at, region, content)


def _published(written: str) -> date:
    return _date(written, _PUBLISHED.fullmatch(written), None)


def _day(written: str, published: date) -> date:
    """The latest day of that month and day that is not after the publication: the year was not typed."""
    match = _MONTH_DAY.fullmatch(written)
    when = _date(written, match, published.year)
    return when if when <= published else _date(written, match, published.year - 1)


def _date(written: str, match: re.Match[str] | None, year: int | None) -> date:
    try:
        if match is not None:
            parts = [int(part) for part in match.groups()]
            return date(*parts) if year is None else date(year, *parts)
    except ValueError:
        pass
    raise BadRow(f"{written[:40]!r} is not a date")
