"""What each feed of joined or reconciled records must hold in the end, said again in plain Python.

The bus works record by record and in the order of the log; here all that was sent is looked at once, at the end: the
last revision of each entity, whatever came before it. What a feed holds must be the same: of each of its entities the
last record, unless that takes it back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gebus.cli._demo.expectations import plain
from gebus.cli._demo.history import Told

Event = Mapping[str, Any]
Row = tuple[Any, ...]

_NOTICE = "passenger_id carrier_no service_date car row seat contact_area source_url"
_ANSWER = "query_no case_on"
_ORDER = "penalty_no uscc kind reason decided_on ends_on shop_no"
_ENTRY = "kind name address opening said_by source_url"
_CLINIC = "name differs said_by kind address opening other_said_by other_kind other_address other_opening"
_VERIFIED = "level place as_of confirmed cured dead said_by"
_COUNT = "level place as_of differs said_by confirmed cured dead other_said_by other_confirmed other_cured other_dead"
_LISTERS = ("hubei-health", "wuhan-support", "wuhan2020")
_COUNTERS = ("canghailan", "dxy")


def standing(told: Iterable[Told], topic: str) -> list[Event]:
    """The last revision of each entity of each party, but for those that were taken back."""
    last: dict[tuple[str, str], Event] = {}
    for one in told:
        if one.topic == topic:
            entity = one.party, str(one.event["entity_id"])
            if entity not in last or one.event["revision"] > last[entity]["revision"]:
                last[entity] = one.event
    return [event for event in last.values() if event["status"] != "RETRACTED"]


def held(records: Iterable[Event], fields: str) -> Counter[Row]:
    """What a feed holds in the end, as rows of these fields."""
    last: dict[str, Event] = {}
    for record in records:
        last[str(record["entity_id"])] = record
    names = fields.split()
    standing = (record for record in last.values() if record["status"] != "RETRACTED")
    return Counter(tuple(plain(record.get(name)) for name in names) for record in standing)


def _journey(event: Event) -> tuple[str, int]:
    return event["carrier_no"], event["service_date"]


def _trips(told: Sequence[Told]) -> dict[tuple[str, int], list[Event]]:
    """The journeys of cases that were infectious by then."""
    trips = defaultdict(list)
    for trip in standing(told, "health.case_trip"):
        if trip["infectious_from"] is None or trip["service_date"] >= trip["infectious_from"]:
            trips[_journey(trip)].append(trip)
    return trips


def _notices(told: Sequence[Told]) -> Iterator[Row]:
    trips = _trips(told)
    for seat in standing(told, "travel.seat"):
        for trip in trips.get(_journey(seat), ()):
            if _in_contact(trip, seat):
                own = (seat[name] for name in _NOTICE.split()[:6])
                yield (*own, trip["contact_area"], trip["source_url"])


def _in_contact(trip: Event, seat: Event) -> bool:
    area = trip["contact_area"]
    if area == "carrier":
        return True
    if seat["role"] == "crew":
        return trip["car"] is None or seat["car"] in (None, trip["car"])
    if area in ("car", "car_rows") and (seat["car"] is None or seat["car"] != trip["car"]):
        return False
    return area == "car" or (seat["row"] is not None and seat["row"] in _rows(trip, skip=seat["skips_row_13"]))


def _rows(trip: Event, *, skip: bool) -> list[int]:
    """The rows of the contact, as a passenger would count them along the aisle."""
    first, last, own = trip["contact_row_from"], trip["contact_row_to"], trip["row"]
    rows = list(range(first, last + 1))
    if skip and own is not None and 13 in rows and own != 13:
        rows += [first - 1] if own > 13 else [last + 1]
    return rows


def _answers(told: Sequence[Told]) -> Iterator[Row]:
    trips = _trips(told)
    for query in standing(told, "travel.contact_query"):
        yield query["query_no"], query["service_date"] if _journey(query) in trips else None


def _orders(platform: str) -> Callable[[Sequence[Told]], Iterator[Row]]:
    def orders(told: Sequence[Told]) -> Iterator[Row]:
        shops = [shop for shop in standing(told, "market.merchant") if shop["source"] == platform]
        for penalty in standing(told, "market.penalty"):
            for shop in shops:
                if shop["uscc"] == penalty["uscc"]:
                    yield (*(penalty[name] for name in _ORDER.split()[:6]), shop["shop_no"])

    return orders


def _assertions(told: Sequence[Told], topic: str, key: str, authority: Sequence[str]) -> Iterator[list[Event]]:
    """What is said of each thing, who wins first."""
    things: dict[Row, dict[str, Event]] = defaultdict(dict)
    for event in standing(told, topic):
        if event.get("level") != "uncoded" and event.get("place_key") != "":
            things[tuple(event[name] for name in key.split())][event["source"]] = event
    for said in things.values():
        yield [said[party] for party in authority if party in said]


def _winners(topic: str, key: str, authority: Sequence[str], fields: str) -> Callable[[Sequence[Told]], Iterator[Row]]:
    def winners(told: Sequence[Told]) -> Iterator[Row]:
        for winner, *_ in _assertions(told, topic, key, authority):
            yield tuple(winner["source" if name == "said_by" else name] for name in fields.split())

    return winners


def _conflicts(
    topic: str, key: str, authority: Sequence[str], compare: str, fields: str
) -> Callable[[Sequence[Told]], Iterator[Row]]:
    def conflicts(told: Sequence[Told]) -> Iterator[Row]:
        for winner, *losers in _assertions(told, topic, key, authority):
            for loser in losers:
                differs = ",".join(name for name in compare.split() if winner[name] != loser[name])
                if differs:
                    other = {f"other_{name}": value for name, value in loser.items()}
                    shown = {**winner, **other, "differs": differs, "said_by": winner["source"]}
                    shown["other_said_by"] = loser["source"]
                    yield tuple(shown[name] for name in fields.split())

    return conflicts


_CLINICS = ("health.clinic", "place_key", _LISTERS)
_COUNTS = ("health.case_count", "region as_of level", _COUNTERS)

RELATED: Mapping[str, tuple[str, Callable[[Sequence[Told]], Iterator[Row]]]] = {
    "hanglv/contact-notices": (_NOTICE, _notices),
    "hanglv/contact-answers": (_ANSWER, _answers),
    "gouwu/penalties": (_ORDER, _orders("gouwu")),
    "pintuan/penalties": (_ORDER, _orders("pintuan")),
    "ditu/clinic-directory": (_ENTRY, _winners(*_CLINICS, _ENTRY)),
    "hubei-health/clinic-conflicts": (_CLINIC, _conflicts(*_CLINICS, "kind address opening", _CLINIC)),
    "ditu/verified-counts": (_VERIFIED, _winners(*_COUNTS, _VERIFIED)),
    "hubei-health/count-conflicts": (_COUNT, _conflicts(*_COUNTS, "confirmed cured dead", _COUNT)),
}
"""By the id of the feed: its fields, and the rows that it must hold when all that was told is taken."""
