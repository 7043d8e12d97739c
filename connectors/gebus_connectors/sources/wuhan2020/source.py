"""Additions, updates and removals of a form as assertions, corrections and retractions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gebus_connectors.sources.clinics import place_key
from gebus_connectors.sources.divisions import CHINA_CODE, Divisions
from gebus_connectors.sources.identity import Revisions, digest
from gebus_connectors.sources.reading import BadRow, Reading, Skipped
from gebus_connectors.sources.rows import Row, china_day, days_since_epoch, json_rows, moment, required, text
from gebus_connectors.sources.values import ValueMap
from gebus_connectors.sources.wuhan2020.config import Form, Wuhan2020Config

_TOPICS: Mapping[Form, str] = {
    "hospital": "supply.need",
    "logistical": "supply.logistics",
    "donation": "supply.donation",
    "clinic": "health.clinic",
}
_HUBEI = "420000"
_YES_OR_NO = {"是": True, "否": False}


@dataclass(frozen=True, slots=True)
class _Said:
    """What one record of a form says of one entity."""

    entity: str
    region: str
    content: Mapping[str, object]


class Wuhan2020Source:
    """The changes of one form in the order in which they were committed.

    Promised: what is there after the last change stands, what is not is retracted; a record that says what
    it said before gives its event again. Not promised: that a renamed entity is known to be the same; the platform
    keys by name, so its old name is retracted and the new one asserted.
    """

    def __init__(
        self, config: Wuhan2020Config, divisions: Divisions, *, campaign_statuses: ValueMap, supply_kinds: ValueMap
    ) -> None:
        self._config, self._divisions = config, divisions
        self._statuses, self._kinds = campaign_statuses, supply_kinds
        self._said_by: Mapping[Form, Callable[[Mapping[str, Any]], _Said]] = {
            "hospital": self._need,
            "logistical": self._channel,
            "donation": self._campaign,
            "clinic": self._clinic,
        }

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, _TOPICS[self._config.form])
        standing: dict[tuple[str, str], list[str]] = {}
        for row in json_rows(self._config.changes):
            if isinstance(row, Skipped):
                yield row
                continue
            try:
                yield from self._change(row, revisions, standing)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _change(self, row: Row, revisions: Revisions, standing: dict[tuple[str, str], list[str]]) -> Iterator[Reading]:
        operation, at = required(row.cells, "op"), moment(required(row.cells, "at"))
        if operation not in ("add", "update", "remove"):
            raise BadRow(f"op is {operation!r}; known are add, update and remove")
        key = (required(row.cells, "path"), required(row.cells, "key"))
        before = standing.pop(key, [])
        if operation == "remove" and not before:
            raise BadRow("a removal of what was never there")
        now: list[str] = []
        for record in _records(row) if operation != "remove" else ():
            try:
                said = self._said_by[self._config.form](record)
            except BadRow as bad:
                yield row.skipped(str(bad))
                continue
            now.append(said.entity)
            yield revisions.say(said.entity, at, said.region, said.content)
        standing[key] = now
        for entity in before:
            if entity not in now and (event := revisions.retract(entity, at)) is not None:
                yield event

    def _need(self, record: Mapping[str, Any]) -> _Said:
        province, city, hospital = (required(record, name) for name in ("province", "city", "name"))
        district = text(record.get("district"))
        region = self._divisions.finest(province, city, district)
        if region is None:
            raise BadRow("no division of GB/T 2260 is called like its province")
        content = {
            "hospital": hospital,
            "place": province + city + (district or ""),
            "supplies": [self._supply(item) for item in record.get("supplies") or () if item.get("value") is not None],
            "address": text(record.get("address")),
            "remark": text(record.get("remark")),
            "contact_name": None,
            "contact_phone": None,
            "source_url": text(record.get("url")),
        }
        return _Said(digest("need", province, city, district, hospital), region, content)

    def _supply(self, item: Mapping[str, Any]) -> dict[str, object]:
        name, value = required(item, "key"), item["value"]
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadRow("a supply whose value is no whole number")
        return {
            "kind": self._kinds.code(name),
            "name": name,
            # The form stores 1 for «wanted, no number given».
            "quantity": value if value > 1 else None,
            "specification": text(item.get("specification")),
        }

    def _channel(self, record: Mapping[str, Any]) -> _Said:
        carrier = required(record, "name")
        ends = [text(record.get(end)) for end in ("from", "dest")]
        route = text(record.get("area")) or " - ".join(end for end in ends if end)
        if not route:
            raise BadRow("neither area nor from and dest say where to")
        private = text(record.get("allowPersonal"))
        if private is not None and private not in _YES_OR_NO:
            raise BadRow(f"allowPersonal is {private[:40]!r}; known are 是 and 否")
        content = {
            "carrier": carrier,
            "route": route,
            "takes_private_goods": None if private is None else _YES_OR_NO[private],
            "terms": text(record.get("remark")),
            "daily_capacity_kg": None,
            "dispatcher_name": None,
            "dispatcher_phone": None,
            "opened_on": _china_date(record),
            "source_url": text(record.get("url")),
        }
        return _Said(digest("channel", carrier, route), self._divisions.mentioned(route) or CHINA_CODE, content)

    def _campaign(self, record: Mapping[str, Any]) -> _Said:
        name = required(record, "name")
        status = text(record.get("status"))
        content = {
            "kind": "channel",
            "organisation": name,
            "method": text(record.get("method")) or text(record.get("remark")),
            "campaign_status": None if status is None else self._statuses.code(status),
            "account_info": text(record.get("info")),
            "donor_name": None,
            "donor_phone": None,
            "donor_region": None,
            "donated_on": None,
            "amount_yuan": None,
            "source_url": text(record.get("url")),
        }
        return _Said(digest("campaign", name), self._divisions.mentioned(name) or _HUBEI, content)

    def _clinic(self, record: Mapping[str, Any]) -> _Said:
        name = required(record, "name")
        region = self._divisions.mentioned(name) or CHINA_CODE
        content = {
            "kind": "online_consultation",
            "name": name,
            "address": None,
            "opening": text(record.get("remark")),
            "free_beds": None,
            "duty_phone": None,
            "source_url": text(record.get("url")),
            "place_key": place_key(region, name),
        }
        return _Said(digest("consultation", name), region, content)


def _records(row: Row) -> list[Mapping[str, Any]]:
    records = row.cells.get("records")
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        raise BadRow("records is not a list of objects")
    return records


def _china_date(record: Mapping[str, Any]) -> int | None:
    written = text(record.get("date"))
    return None if written is None else days_since_epoch(china_day(moment(written)))
