"""Trips and seats: two contracts that are joined on a carrier's number and its day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gebus.model.catalogue import Catalogue
from gebus.model.event import EventSchema, Mask
from gebus.model.feed import Feed
from gebus.model.topic import TopicContract
from gebus.testing import build

DAY = {"type": "int", "logicalType": "date"}
ON = ("carrier_no", "service_date")
TRIP = build.event_schema(
    "CaseTrip",
    [
        {"name": "carrier_no", "type": "string"},
        {"name": "service_date", "type": DAY},
        {"name": "row", "type": "int"},
        {"name": "case_id", "type": "string", "classification": 3, "identifies": "direct"},
        {"name": "berth", "type": "int"},
        {"name": "maybe", "type": ["null", "string"]},
    ],
)
SEAT = build.event_schema(
    "Seat",
    [
        {"name": "row", "type": "int"},
        {"name": "seat", "type": ["null", "string"]},
        {"name": "carrier_no", "type": "string"},
        {"name": "service_date", "type": DAY},
        {"name": "passenger_id", "type": "string", "classification": 3, "identifies": "direct"},
        {
            "name": "home",
            "type": "string",
            "classification": 3,
            "identifies": "quasi",
            "generalised": Mask("division", digits=4),
        },
        {"name": "berth", "type": "long"},
        {"name": "maybe", "type": ["null", "string"]},
        {"name": "unused", "type": "string"},
    ],
)
SOURCES = {"trip": "health.case_trip", "seat": "travel.seat"}
OUT = {"select": {"name": "notice", "fields": {"seat_no": "seat.seat"}}}


def trips(**changes: Any) -> TopicContract:
    """Keyed by the journey, in four partitions."""
    return build.topic_contract("health.case_trip", **{"event": "CaseTrip", "key": ON, "partitions": 4} | changes)


def seats(**changes: Any) -> TopicContract:
    """Keyed by the entity, in two partitions."""
    return build.topic_contract("travel.seat", **{"event": "Seat"} | changes)


def join(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": "same-journey",
        "left": "trip",
        "right": "seat",
        "on": ON,
        "within": "14d",
        "matches": "each-pair",
        "unmatched": "wait",
        "broadcast": "none",
        "most": 1000,
    }
    return {"join": values | changes}


def reconcile(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": "best",
        "of": "seat",
        "key": ("entity_id",),
        "authority": ("jd",),
        "within": "90d",
        "compare": ("row",),
        "gives": "winner",
        "most": 16,
    }
    return {"reconcile": values | changes}


def deduplicate(of: str, *key: str) -> dict[str, Any]:
    return {"deduplicate": {"name": f"once-{of}", "of": of, "key": key, "within": "14d"}}


def where(when: str, of: str | None = None, name: str = "near") -> dict[str, Any]:
    return {"where": {"name": name, "when": when} | ({} if of is None else {"of": of})}


def select(**fields: Any) -> dict[str, Any]:
    return {"select": {"name": "notice", "fields": fields}}


def joined(*steps: dict[str, Any], **changes: Any) -> Feed:
    """A feed of trips and seats."""
    return build.feed(steps, **{"sources": SOURCES} | changes)


def reconciled(*steps: dict[str, Any], **changes: Any) -> Feed:
    """A feed of seats alone."""
    return build.feed(steps, **{"sources": {"seat": "travel.seat"}} | changes)


def world(
    *feeds: Feed,
    trip: TopicContract | None = None,
    seat: TopicContract | None = None,
    events: Iterable[EventSchema] = (),
) -> Catalogue:
    """The catalogue of these feeds; other contracts and events (of trips, of seats) where a test gives them."""
    first, second = tuple(events) or (TRIP, SEAT)
    return build.catalogue(first, feeds, trip or trips(), more=[(seat or seats(), second)])
