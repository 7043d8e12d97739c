"""One event for each number and seat of each journey."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gebus_connectors.sources.divisions import CHINA_CODE, Divisions
from gebus_connectors.sources.identity import Revisions, digest
from gebus_connectors.sources.journeys import Carrier, CoTravel, Run, carrier_numbers, spots
from gebus_connectors.sources.nosugar.config import NosugarConfig
from gebus_connectors.sources.reading import BadRow, Reading, Skipped
from gebus_connectors.sources.rows import Row, day, moment, required, text

_CARRIERS: Mapping[str, Carrier] = {"1": "aircraft", "2": "train"}


class NosugarSource:
    """The journeys in the order of the answer; a line of the result is the place of the journey in its list.

    Promised: the journey is that of `t_date`, the day that was announced; `t_start` and `t_end` are instants in UTC,
    of which many stand for «not known», and are not used. Not promised: that a journey which another collector
    publishes as well is known to be the same.
    """

    def __init__(self, config: NosugarConfig, divisions: Divisions, rules: CoTravel) -> None:
        self._config, self._divisions, self._rules = config, divisions, rules

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "health.case_trip")
        for row in self._rows():
            if isinstance(row, Skipped):
                yield row
                continue
            try:
                yield from self._journey(row, revisions)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _rows(self) -> Iterator[Row | Skipped]:
        path = self._config.trips
        try:
            answer = json.loads(path.read_bytes())
        except OSError as error:
            yield Skipped(path.name, 1, f"cannot be read: {error.strerror}")
            return
        except (ValueError, RecursionError):
            yield Skipped(path.name, 1, "not JSON: the file was not read")
            return
        rows = answer.get("data") if isinstance(answer, dict) and answer.get("code") == 0 else None
        if not isinstance(rows, list):
            yield Skipped(path.name, 1, "not an answer of the inquiry with code 0 and a list in data")
            return
        for number, cells in enumerate(rows, 1):
            known = isinstance(cells, dict)
            yield Row(path.name, number, cells) if known else Skipped(path.name, number, "not a JSON object")

    def _journey(self, row: Row, revisions: Revisions) -> Iterator[Reading]:
        cells = row.cells
        carrier = _CARRIERS.get(required(cells, "t_type"))
        if carrier is None:
            raise BadRow(f"t_type {str(cells['t_type'])[:10]} is no carrier that has a list of passengers")
        when, at = day(required(cells, "t_date")), moment(required(cells, "created_at"))
        region = self._divisions.mentioned(text(cells.get("t_pos_start")) or "") or CHINA_CODE
        found = spots(_words(cells), carrier)
        # Nothing is given of a journey that is bad in part.
        for number in list(carrier_numbers(required(cells, "t_no"), carrier)):
            run = Run(carrier, number, when, region)
            for place, spot in enumerate(found):
                content = self._rules.trip(run, spot, at=at, source_url=text(cells.get("source")))
                entity = digest("journey", required(cells, "id"), number, place)
                yield revisions.say(entity, at, region, content)


def _words(cells: Mapping[str, Any]) -> str:
    """What says where the case sat: the car has a field of its own, the seat stands in a remark."""
    sub, memo = text(cells.get("t_no_sub")) or "", text(cells.get("t_memo")) or ""
    return f"{sub} {memo}"
