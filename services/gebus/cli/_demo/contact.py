"""A case, and the passengers who are told: one known before the case, one known after it; then there was no case."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gebus.cli._demo.history import Contact, History
from gebus.cli._demo.publishing import publish_events
from gebus.cli._demo.stage import Stage
from gebus.model.errors import Unavailable
from gebus_connectors.sdk import Subscriber
from gebus_connectors.sources.identity import make_event
from gebus_connectors.sources.reading import Event

_FEED = "hanglv/contact-notices"
_WAIT_SECONDS = 20


def hold_back(events: dict[str, list[Event]]) -> Event:
    """Take one journey of a case out of what nosugar publishes at once, with all that is said of it later."""
    trips = events["nosugar"]
    held = next(trip for trip in reversed(trips) if _will_do(trip.fields))
    events["nosugar"] = [trip for trip in trips if trip.fields["entity_id"] != held.fields["entity_id"]]
    return held


def _will_do(trip: Mapping[str, Any]) -> bool:
    infectious = trip["infectious_from"] is None or trip["infectious_from"] <= trip["service_date"]
    named = trip["contact_area"] in ("rows", "car")
    return infectious and named and trip["revision"] == 0 and trip["status"] == "ASSERTED"


def run_contact(on: Stage, history: History, trip: Event) -> None:
    """Publish a seat, the case, another seat, and that there was no case; the app must hear of each.

    Enters what it was told and how long that took: from the `published_at` of the last record that was needed to the
    moment at which the app holds the notice.
    """
    with Subscriber(on.connection("hanglv"), [_FEED], start="end") as subscriber:
        subscriber.poll(0.5)
        first, second = _seat(trip, "before"), _seat(trip, "after")
        retraction = Event(trip.topic, {**trip.fields, "event_id": f"{trip.event_id}-r", **_GONE})
        carrier = str(first.fields["source"])
        _publish(on, history, carrier, first)
        for what, party, event, expected in (
            ("the case came last", "nosugar", trip, {(_who(first), "ASSERTED")}),
            ("the passenger came last", carrier, second, {(_who(second), "ASSERTED")}),
            ("the case was taken back", "nosugar", retraction, {(_who(one), "RETRACTED") for one in (first, second)}),
        ):
            since = time.time()
            _publish(on, history, party, event)
            history.contacts.append(_await(subscriber, what, expected, trip, since))


_GONE = {"revision": 1, "status": "RETRACTED"}


def _seat(trip: Event, which: str) -> Event:
    """Somebody invented, where the case sat."""
    case = trip.fields
    flies = case["carrier"] == "aircraft"
    content = {
        "passenger_id": f"p-{which}-the-case",
        "carrier_no": case["carrier_no"],
        "service_date": case["service_date"],
        "car": case["car"],
        "row": case["contact_row_from"],
        "seat": "C",
        "role": "passenger",
        "skips_row_13": False,
    }
    party, at = ("hangkong" if flies else "tielu"), int(str(case["occurred_at"]))
    return make_event(party, "travel.seat", f"live/{which}", at=at, region=str(case["region"]), content=content)


def _who(seat: Event) -> str:
    return str(seat.fields["passenger_id"])


def _publish(on: Stage, history: History, party: str, event: Event) -> None:
    history.told += publish_events(on, party, [event], lambda: None)


def _await(subscriber: Subscriber, what: str, expected: set[tuple[str, str]], trip: Event, since: float) -> Contact:
    """Read until the notices came that are expected; those of other cases of the journey may be between them."""
    missing, latency = set(expected), 0.0
    notice: Mapping[str, Any] = {}
    for record, now in _arrivals(subscriber):
        who = record["passenger_id"], record["status"]
        published, area = _seconds(record["published_at"]), record["contact_area"]
        # To the millisecond: what was published before `since` is not because of it.
        if who not in missing or area != trip.fields["contact_area"] or published < int(since * 1000) / 1000:
            continue
        missing.discard(who)
        notice, latency = record, max(latency, (now - published) * 1000)
        if not missing:
            return Contact(what, str(trip.fields["carrier_no"]), latency, notice)
    raise Unavailable(f"{what}: no notice for {', '.join(sorted(who for who, _ in missing))} in {_WAIT_SECONDS} s")


def _arrivals(subscriber: Subscriber) -> Iterator[tuple[Mapping[str, Any], float]]:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        deliveries = subscriber.poll(0.5)
        now = time.time()
        yield from ((delivery.record, now) for delivery in deliveries)


def _seconds(instant: object) -> float:
    return instant.timestamp() if isinstance(instant, datetime) else float(str(instant)) / 1000
