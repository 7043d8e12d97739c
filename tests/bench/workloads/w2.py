"""Workload W2: tickets that were bought and passengers who boarded, in pairs; half of either have a partner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.bench.digest import Digest, Outcome
from tests.bench.source import (
    FIRST_INSTANT,
    SCHEMAS,
    Chunk,
    Latest,
    Registered,
    Source,
    Target,
    example_of,
    schema_of,
    topics,
)
from tests.bench.template import Columns, Template, plain

CATALOGUE = SCHEMAS / "w2"
CONTRACTS = ("travel.booking", "travel.boarding")
FEED = "feed.jikong.boarded"
BOOKING, BOARDING = schema_of(CATALOGUE, "travel/Booking"), schema_of(CATALOGUE, "travel/Boarding")

_BOOKED, _BOARDED = (example_of(CATALOGUE, contract) for contract in CONTRACTS)
_REACH = 20_000  # how far a partner lies from its place at most: far enough that either side comes first
_CHUNK = 10_000
_HOUR_MS = 3_600_000

Numbers = NDArray[np.int64]


def partners(size: int) -> Numbers:
    """The ticket of each boarding: that of an even booking near by at an even place, an unknown one at an odd place."""
    evens = np.arange(0, size, 2)
    order = np.argsort(np.arange(len(evens)) + np.random.default_rng(1).random(len(evens)) * _REACH)
    found = size + np.arange(size)
    found[::2] = evens[order]
    return found


def bookings(numbers: Numbers) -> Columns:
    return {
        "event_id": numbers,
        "entity_id": numbers,
        "occurred_at": FIRST_INSTANT + numbers,
        "published_at": FIRST_INSTANT + numbers + 40,
        "region": 110_000 + numbers * 7919 % 549_000,
        "ticket_no": numbers,
        "carrier_no": numbers % 9_999,
        "seat": numbers % 99_991,
        "price_cents": 10_000 + numbers % 50_000,
        "passenger_phone": 13_800_000_000 + numbers,
    }


def boardings(numbers: Numbers, tickets: Numbers) -> Columns:
    moments = FIRST_INSTANT + _HOUR_MS + numbers
    return {
        "event_id": numbers,
        "entity_id": numbers,
        "occurred_at": moments,
        "published_at": moments + 40,
        "region": 110_000 + tickets * 6007 % 549_000,
        "ticket_no": tickets,
        "gate": tickets % 9_973,
        "boarded_at": moments,
        "temperature_tenths": 360 + tickets % 25,
        "device": numbers % 999_983,
    }


def fill(size: int, target: Target, latest: Latest, part: str = "") -> Source:
    """Publish `size` bookings and as many boardings, by turns, so that they arrive together."""
    tickets = partners(size)
    feed = latest(f"{FEED}-value")
    left, right = topics(target, CONTRACTS, part)
    booked = Template(BOOKING, latest(f"{CONTRACTS[0]}-value").id, _BOOKED)
    boarded = Template(BOARDING, latest(f"{CONTRACTS[1]}-value").id, _BOARDED)

    def chunks() -> Iterator[Chunk]:
        for begin in range(0, size, _CHUNK):
            numbers = np.arange(begin, min(begin + _CHUNK, size))
            for topic, filled in (
                (left, booked.fill(bookings(numbers))),
                (right, boarded.fill(boardings(numbers, tickets[numbers]))),
            ):
                yield topic, filled.keys("ticket_no"), filled.values()

    target.publish(chunks())
    schemas = (plain(BOOKING), plain(BOARDING))
    return Source((left, right), 2 * size, outcome(tickets, feed), schemas, feed, derived=True)


def outcome(tickets: Numbers, feed: Registered) -> Outcome:
    """What is to be delivered: what the feed selects of each boarding whose ticket is known, and of its booking."""
    digest = Digest(derived=True)
    schema = json.loads(feed.schema)
    example: dict[str, Any] = {**_BOARDED, **_BOOKED, "passenger_name": None}
    joined, names = Template(schema, feed.id, example), {field["name"] for field in schema["fields"]}
    matched = np.arange(0, len(tickets), 2)
    for begin in range(0, len(matched), _CHUNK):
        numbers = matched[begin : begin + _CHUNK]
        booking, boarding = bookings(tickets[numbers]), boardings(numbers, tickets[numbers])
        later = {name: np.maximum(booking[name], boarding[name]) for name in ("occurred_at", "published_at")}
        columns = {name: column for name, column in {**boarding, **booking, **later}.items() if name in names}
        filled = joined.fill(columns)
        for key, value in zip(filled.keys("ticket_no"), filled.values(), strict=True):
            digest.add(key, value)
    return Outcome(digest.count, digest.hex())
