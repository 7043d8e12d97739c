"""What the demo expects of joined and reconciled feeds, and that its verdict finds what is wrong there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gebus.catalogue import load
from gebus.cli._demo import recon
from gebus.cli._demo.contact import hold_back
from gebus.cli._demo.history import History, Told
from gebus.cli._demo.relations import RELATED, held, standing
from gebus.cli._demo.verdict import judge
from gebus.lanes.accounts import Counts, Row
from gebus_connectors.sources.generator import GeneratorConfig, GeneratorSource
from gebus_connectors.sources.reading import Event

ROOT = Path(__file__).parents[3]
PENALTIES = "gouwu/penalties"


def _told(topic: str, party: str, *events: dict[str, Any]) -> list[Told]:
    known = {"revision": 0, "status": "ASSERTED", "source": party, "region": "420100"}
    return [Told(party, topic, known | event, 0, offset) for offset, event in enumerate(events)]


def _trip(**fields: Any) -> list[Told]:
    nothing = dict.fromkeys(("car", "row", "infectious_from", "contact_row_from", "contact_row_to", "source_url"))
    known = {"entity_id": "t", "carrier_no": "CA1", "service_date": 20, "contact_area": "rows"}
    return _told("health.case_trip", "nosugar", nothing | known | fields)


def _seat(**fields: Any) -> list[Told]:
    known = {"entity_id": "s", "passenger_id": "p", "carrier_no": "CA1", "service_date": 20, "car": None, "row": None}
    return _told("travel.seat", "hangkong", known | {"seat": "A", "role": "passenger", "skips_row_13": False} | fields)


@pytest.mark.parametrize(
    ("trip", "seat", "is_told"),
    [
        ({"contact_row_from": 24, "contact_row_to": 30}, {"row": 24}, True),
        ({"contact_row_from": 24, "contact_row_to": 30}, {"row": 31}, False),
        ({"contact_row_from": 24, "contact_row_to": 30}, {"row": None}, False),
        ({"contact_row_from": 24, "contact_row_to": 30}, {"row": 24, "service_date": 21}, False),
        ({"row": 15, "contact_row_from": 12, "contact_row_to": 18}, {"row": 11, "skips_row_13": True}, True),
        ({"row": 15, "contact_row_from": 12, "contact_row_to": 18}, {"row": 11}, False),
        ({"row": 11, "contact_row_from": 8, "contact_row_to": 14}, {"row": 15, "skips_row_13": True}, True),
        ({"row": 17, "contact_row_from": 14, "contact_row_to": 20}, {"row": 12, "skips_row_13": True}, False),
        ({"contact_area": "car", "car": "3"}, {"car": "3"}, True),
        ({"contact_area": "car", "car": "3"}, {"car": "4"}, False),
        ({"contact_area": "car", "car": "3"}, {"car": "4", "role": "crew"}, False),
        ({"contact_area": "car", "car": "3"}, {"role": "crew"}, True),
        ({"contact_area": "carrier"}, {"row": 60}, True),
        ({"contact_area": "carrier", "infectious_from": 20}, {}, True),
        ({"contact_area": "carrier", "infectious_from": 21}, {}, False),
        ({"contact_area": "carrier", "status": "RETRACTED"}, {}, False),
    ],
)
def test_who_travelled_with_a_case(trip: dict[str, Any], seat: dict[str, Any], *, is_told: bool) -> None:
    rows = list(RELATED["hanglv/contact-notices"][1]([*_trip(**trip), *_seat(**seat)]))
    assert [row[0] for row in rows] == (["p"] if is_told else [])


def test_the_last_revision_stands_whatever_came_last() -> None:
    first, second = {"entity_id": "a", "row": 1}, {"entity_id": "a", "row": 2, "revision": 1}
    gone = {"entity_id": "b", "revision": 1, "status": "RETRACTED"}
    told = _told("travel.seat", "hangkong", second, first, {"entity_id": "b"}, gone)
    assert [event["row"] for event in standing(told, "travel.seat")] == [2]


def _count(party: str, confirmed: int, **more: Any) -> list[Told]:
    known = {"entity_id": "x", "level": "city", "place": "武汉市", "as_of": 18302, "cured": 0, "dead": 0}
    return _told("health.case_count", party, known | {"confirmed": confirmed} | more)


def test_one_count_wins_and_the_other_is_a_conflict() -> None:
    told = [*_count("dxy", 100), *_count("canghailan", 98), *_count("dxy", 5, level="uncoded", entity_id="y")]
    assert list(RELATED["ditu/verified-counts"][1](told)) == [("city", "武汉市", 18302, 98, 0, 0, "canghailan")]
    (conflict,) = RELATED["hubei-health/count-conflicts"][1](told)
    assert conflict[3:6] == ("confirmed", "canghailan", 98)
    assert list(RELATED["hubei-health/count-conflicts"][1](_count("dxy", 100) + _count("canghailan", 100))) == []


def test_conflicts_are_compared_with_the_list(tmp_path: Path) -> None:
    assert recon.compare(tmp_path, [], []) is None
    table = tmp_path / "recon_city_day" / "three_sources.csv"
    table.parent.mkdir()
    lines = [
        "2020-02-10,420100,98,100,7",
        "2020-02-11,420100,98,98,",
        "2020-02-10,420500,1,2,",
        "2020-02-12,420100,,3,",
    ]
    table.write_text("date,cityCode,canghailan,dxy_end_of_day,thepaper_cumulated\n" + "\n".join(lines) + "\n")
    told = [
        event
        for party, confirmed in (("dxy", 100), ("canghailan", 98))
        for day in (18302, 18303)
        for event in _count(party, confirmed, as_of=day, entity_id=str(day))
    ]
    known: dict[str, Any] = {"region": "420100", "differs": "confirmed,dead", "status": "ASSERTED"}
    conflicts = [known | {"entity_id": str(day), "as_of": day} for day in (18302, 18303)]
    found = recon.compare(tmp_path, told, conflicts)
    assert found == recon.Reconciliation(both=2, listed=1, found=2, agreed=1)
    assert "of 2 city-days that canghailan and dxy both published, 1 are in conflict by that list, 2" in found.problem


@pytest.mark.parametrize(
    ("found", "agreed", "holds"),
    [(200, 200, True), (199, 198, True), (198, 198, True), (197, 197, False), (203, 200, False)],
)
def test_conflicts_hold_but_for_one_in_a_hundred(found: int, agreed: int, *, holds: bool) -> None:
    assert (recon.Reconciliation(500, 200, found, agreed).problem == "") is holds


def test_the_journey_that_is_held_back_is_not_published_with_the_others() -> None:
    source = GeneratorSource(GeneratorConfig("nosugar", "health.case_trip"))
    events = {"nosugar": [reading for reading in source.read() if isinstance(reading, Event)]}
    held_back = hold_back(events)
    assert held_back.fields["revision"] == 0
    assert held_back.fields["contact_area"] in ("rows", "car")
    assert held_back.fields["entity_id"] not in {event.fields["entity_id"] for event in events["nosugar"]}


def _penalties() -> History:
    penalty = {"entity_id": "p", "penalty_no": "1", "uscc": "u", "kind": "removal", "reason": "r", "decided_on": 9}
    history = History(told=_told("market.penalty", "beijing-market", penalty | {"ends_on": None}))
    shops = [{"entity_id": name, "uscc": "u", "shop_no": name} for name in ("m1", "m2")]
    history.told += _told("market.merchant", "gouwu", *shops)
    history.told += _told("market.merchant", "pintuan", {"entity_id": "m3", "uscc": "u", "shop_no": "m3"})
    names = ("penalty_no", "uscc", "kind", "reason", "decided_on")
    order = {name: penalty[name] for name in names} | {"ends_on": None, "revision": 0, "status": "ASSERTED"}
    history.received[PENALTIES] = [order | {"entity_id": name, "shop_no": name} for name in ("m1", "m2")]
    return history


def _found(history: History) -> str:
    catalogue = load(ROOT / "schemas")
    catalogue = replace(catalogue, topics={}, feeds={PENALTIES: catalogue.feeds[PENALTIES]})
    counts = Counts(taken=3, delivered=len(history.received[PENALTIES]), waiting=1)
    verdict = judge(catalogue, history, [Row("market.penalty", "market.penalty.x", PENALTIES, counts)], [])
    return "; ".join(check.found for check in verdict.checks if PENALTIES in check.name)


def test_a_feed_that_holds_what_stands_is_right() -> None:
    history = _penalties()
    assert held(history.received[PENALTIES], "shop_no") == Counter({("m1",): 1, ("m2",): 1})
    assert _found(history).strip("; ") == ""


def test_what_is_missing_or_was_not_taken_back_is_found() -> None:
    history = _penalties()
    record = history.received[PENALTIES].pop()
    assert "missing: 1, as ('1', 'u', 'removal', 'r', 9, None, 'm2')" in _found(history)
    history.received[PENALTIES] += [record, {**record, "entity_id": "m3", "shop_no": "m3"}]
    assert "unwanted: 1, as ('1', 'u', 'removal', 'r', 9, None, 'm3')" in _found(history)
    history.received[PENALTIES].append({**record, "entity_id": "m3", "status": "RETRACTED", "revision": 1})
    assert "wanted" not in _found(history)


def test_a_revision_that_does_not_rise_is_found() -> None:
    history = _penalties()
    history.received[PENALTIES].append(history.received[PENALTIES][0])
    assert "revision 0 of m1 after 0" in _found(history)
