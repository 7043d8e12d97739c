"""A lane that joins trips with seats, or reconciles trips, for the tests of relations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gebus_kernel import Kernel, Step
from tests.unit.kernel.support import DAY, ENVELOPE, NOW, Fake, avro, copied, header, records, schema

LANE = "seat-trip"
WITHIN = 10_000
"""Ten seconds."""

TRIP = schema({"name": "flight", "type": "string"}, {"name": "row", "type": ["null", "long"]}, name="Trip")
SEAT = schema({"name": "flight", "type": "string"}, {"name": "phone", "type": "string"}, name="Seat")
SCHEMAS = {"trip": TRIP, "seat": SEAT}

Steps = Sequence[Mapping[str, Any]]


def side_record(alias: str, *, missing: bool = False) -> dict[str, Any]:
    record = {"type": "record", "name": f"{alias.title()}Side", "fields": SCHEMAS[alias]["fields"]}
    return {"name": alias, "type": ["null", record] if missing else record}


def composite(*sides: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "Composite", "fields": [*ENVELOPE, *sides]}


def picked(alias: str, name: str, *, missing: bool = False) -> dict[str, Any]:
    """A selected field of a side."""
    item = next(item for item in SCHEMAS[alias]["fields"] if item["name"] == name)
    kind = ["null", item["type"]] if missing and isinstance(item["type"], str) else item["type"]
    return {"name": name, "path": [alias, name], "type": kind, "mask": None}


@dataclass
class Related:
    """A lane of one related feed."""

    matches: str = "each-pair"
    unmatched: str = "wait"
    most: int = 1000
    follow: bool = False
    before: tuple[Steps, Steps] = ((), ())
    after: Steps = ()
    tables: Steps = ()
    reconcile: bool = False
    gives: str = "winner"
    feed: str = "cdc/contacts"
    lane: str = LANE
    internal: bool = False
    expires: int = NOW + 365 * DAY

    def side(self, number: int, alias: str) -> dict[str, Any]:
        fields = [item["name"] for item in SCHEMAS[alias]["fields"]]
        return {"source": number, "alias": alias, "steps": list(self.before[number]), "fields": fields}

    def relation(self) -> dict[str, Any]:
        common = {"name": "same-flight", "state": f"{self.feed}.same-flight", "within_ms": WITHIN, "most": self.most}
        if self.reconcile:
            return common | {
                "kind": "reconcile",
                "of": self.side(0, "trip"),
                "key": ["flight"],
                "authority": ["jd"],
                "compare": ["row"],
                "gives": self.gives,
                "schema": composite(side_record("trip")),
            }
        return common | {
            "kind": "join",
            "left": self.side(0, "trip"),
            "right": self.side(1, "seat"),
            "on": ["flight"],
            "matches": self.matches,
            "unmatched": self.unmatched,
            "broadcast": "none",
            "follow": self.follow,
            "schema": composite(
                side_record("trip", missing=self.unmatched in ("right", "both")),
                side_record("seat", missing=self.unmatched in ("left", "both")),
            ),
        }

    def fields(self) -> list[dict[str, Any]]:
        trip = picked("trip", "row", missing=self.unmatched in ("right", "both"))
        if self.reconcile:
            return [trip]
        return [trip, picked("seat", "phone", missing=self.unmatched in ("left", "both"))]

    def source(self, alias: str) -> dict[str, Any]:
        return {
            "name": alias,
            "contract": alias,
            "internal": self.internal,
            "topics": {f"{alias}.all": ""} if self.internal else {f"{alias}.jd": "jd", f"{alias}.ali": "ali"},
            "schema": SCHEMAS[alias],
            "key": ["flight"],
            "past_ms": DAY,
            "future_ms": DAY,
            "in_a_row": 2,
            "ratio": 0.5,
        }

    def json(self) -> str:
        feed = {
            "name": self.feed,
            "topic": "feed." + self.feed.replace("/", "."),
            "grant_expires_ms": self.expires,
            "source": 0 if self.reconcile else None,
            "relation": self.relation(),
            "steps": list(self.after),
            "follow_ms": 14 * DAY if self.follow else None,
            "mode": "any",
            "select": {"name": "notice", "fields": [*(copied(item) for item in ENVELOPE), *self.fields()]},
        }
        return json.dumps(
            {
                "lane": self.lane,
                "partitions": 2,
                "ordered": True,
                "sources": [self.source(alias) for alias in (["trip"] if self.reconcile else ["trip", "seat"])],
                "tables": list(self.tables),
                "rekeys": [],
                "feeds": [feed],
            }
        )

    def kernel(self, *slices: int) -> Kernel:
        kernel = Kernel([self.json()])
        for alias in ["trip"] if self.reconcile else ["trip", "seat"]:
            kernel.add_writer_schema(alias, 1, json.dumps(SCHEMAS[alias]))
        kernel.set_feed_schema(self.feed, 100)
        for number in slices or (0,):
            kernel.open(self.lane, number)
        return kernel

    def read(self, step: Step) -> list[dict[str, Any]]:
        """The delivered records."""
        fields = [*ENVELOPE, *({"name": field["name"], "type": field["type"]} for field in self.fields())]
        out = {"type": "record", "name": "Out", "fields": fields}
        return records(step, out, "feed." + self.feed.replace("/", "."))


def record(alias: str, number: int, **changes: Any) -> dict[str, Any]:
    good = {
        "event_id": f"{alias}-{number}",
        "entity_id": f"{alias}-{number}",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": NOW,
        "published_at": NOW,
        "source": "jd",
        "region": "420106",
        "flight": "CA1234",
        "row": number,
        "phone": f"138{number:08d}",
    }
    return good | changes


def sent(
    alias: str, number: int, *, time: int = NOW, key: bytes | None = None, slice_: int = 0, **changes: Any
) -> Fake:
    event = record(alias, number, **changes)
    topic = f"{alias}.{event['source']}"
    own = event["flight"].encode() if key is None else key
    return Fake(header() + avro(event, SCHEMAS[alias]), own, time, topic, slice_)


def trip(number: int, **more: Any) -> Fake:
    return sent("trip", number, **more)


def seat(number: int, **more: Any) -> Fake:
    return sent("seat", number, **more)
