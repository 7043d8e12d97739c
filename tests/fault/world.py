"""What the fault tests run: four contracts, five feeds of every kind of state, and traffic that uses all of it.

Records that meet have the same Kafka key on the topics where they meet. So the log can be judged key by key, see
`expectation`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml
from tests.integration.lanes.kit import ROOT

PARTITIONS = 4
CONSUMER = "hubei-health"
PARTIES = ("dxy", "canghailan", "ditu")
POISON = b"\x01poison-"
"""A value that begins so is no Avro record; what follows is its id."""

_LONG, _TEXT = {"type": "long"}, {"type": "string"}
_CONTRACTS: dict[str, tuple[list[str], list[str], dict[str, Any]]] = {
    "reading": (["dxy", "canghailan"], ["entity_id"], {"quantity": _LONG}),
    "trip": (["dxy"], ["flight"], {"flight": _TEXT, "row": _LONG}),
    "seat": (["canghailan"], ["entity_id"], {"flight": _TEXT, "row": _LONG}),
    "count": ([*PARTIES], ["place"], {"place": _TEXT, "cases": _LONG}),
}
"""Name -> publishers, key, own fields."""

_FEEDS: dict[str, tuple[dict[str, str], list[str], dict[str, str], str]] = {
    "once": (
        {"reading": "reading"},
        ["deduplicate: {name: once, of: reading, key: [event_id], within: 14d}"],
        {"quantity": "reading.quantity"},
        "independent",
    ),
    "large": (
        {"reading": "reading"},
        [
            "deduplicate: {name: once, of: reading, key: [event_id], within: 14d}",
            "where: {name: large, when: 'reading.quantity >= 100'}",
        ],
        {"quantity": "reading.quantity"},
        "independent",
    ),
    "pairs": (
        {"trip": "trip", "seat": "seat"},
        [
            "deduplicate: {name: trip-once, of: trip, key: [event_id], within: 14d}",
            "where: {name: seated, of: seat, when: 'seat.row > 0'}",
            "join: {name: same-flight, left: trip, right: seat, 'on': [flight], within: 1d, matches: each-pair, "
            "unmatched: wait, broadcast: none, most: 1000}",
            "where: {name: near, when: 'trip.row - seat.row < 40'}",
        ],
        {"trip_row": "trip.row", "seat_row": "seat.row"},
        "follow",
    ),
    "winner": (
        {"count": "count"},
        [
            "reconcile: {name: one-count, of: count, key: [place], authority: [ditu, dxy], within: 1d, "
            "compare: [cases], gives: winner, most: 16}",
        ],
        {"cases": "count.cases"},
        "follow",
    ),
    "conflicts": (
        {"count": "count"},
        [
            "reconcile: {name: differing-count, of: count, key: [place], authority: [ditu, dxy], within: 1d, "
            "compare: [cases], gives: conflicts, most: 16}",
        ],
        {"cases": "count.cases", "best": "winner.cases", "differs": "conflict.differs"},
        "independent",
    ),
}
"""Name -> sources, steps, fields, corrections."""


def write_catalogue(root: Path, domain: str) -> None:
    """The contracts and feeds under a domain of their own."""
    for part in ("parties", "codes", f"topics/{domain}", f"events/{domain}", f"feeds/{CONSUMER}"):
        (root / part).mkdir(parents=True)
    (root / f"topics/{domain}").rmdir()
    for party in (*PARTIES, CONSUMER, "hubei-data"):
        shutil.copy(ROOT / "schemas/parties" / f"{party}.yaml", root / "parties")
    for codes in ("field-policy", "token-rules"):
        shutil.copy(ROOT / f"schemas/codes/{codes}.yaml", root / "codes")
    for name in _CONTRACTS:
        _write_contract(root, domain, name)
    for name, (sources, steps, fields_of, corrections) in _FEEDS.items():
        feed = {
            "feed": f"{domain}-{name}",
            "title": {"zh": "测试", "en": "Test"},
            "consumer": CONSUMER,
            "purpose": "test",
            "tier": 4,
            "grant": {
                "basis": "A test", "approved_by": "hubei-data", "approved_on": "2026-01-01", "expires_on": "2099-01-01",
            },
            "retention": "1d",
            "partitions": 1,
            "sources": {alias: f"{domain}.{contract}" for alias, contract in sources.items()},
            "steps": [*map(yaml.safe_load, steps), {"select": {"name": "chosen", "fields": fields_of}}],
            "corrections": corrections,
            "mode": "any",
            "cases": [{"name": "nothing comes of nothing", "given": [], "expect": []}],
        }  # fmt: skip
        (root / f"feeds/{CONSUMER}/{domain}-{name}.yaml").write_text(yaml.safe_dump(feed, allow_unicode=True))


def _write_contract(root: Path, domain: str, name: str) -> None:
    publishers, key, fields = _CONTRACTS[name]
    contract, event = f"{domain}.{name}", name.capitalize()
    topic = {
        "topic": contract,
        "title": {"zh": "测试", "en": "Test"},
        "event": event,
        "owner": CONSUMER,
        "publishers": publishers,
        "key": key,
        "partitions": PARTITIONS,
        "compatibility": "BACKWARD_TRANSITIVE",
        "retention": "1d",
        "event_time": {"past": "1d", "future": "1h"},
        "dead_letters": {"in_a_row": 1000, "ratio": 1.0},
        "standard": None,
        "examples": ["examples.jsonl"],
    }
    (root / f"topics/{contract}.yaml").write_text(yaml.safe_dump(topic, allow_unicode=True))
    own = [
        {"name": one, **avro, "classification": 1, "identifies": "none", "doc": f"{one}."}
        for one, avro in fields.items()
    ]
    schema = {"type": "record", "name": event, "namespace": f"gebus.{domain}", "doc": f"{event}.",
              "fields": [*_ENVELOPE, *own]}  # fmt: skip
    (root / f"events/{domain}/{event}.avsc").write_text(json.dumps(schema))
    example = {
        **_envelope("e-1", "e", publishers[0]),
        **{one: 1 if avro is _LONG else "x" for one, avro in fields.items()},
    }
    (root / f"examples/{contract}").mkdir(parents=True)
    (root / f"examples/{contract}/examples.jsonl").write_text(json.dumps(example) + "\n")


_INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
_ENVELOPE: list[dict[str, Any]] = [
    {"name": "event_id", "type": "string"},
    {"name": "entity_id", "type": "string"},
    {"name": "revision", "type": "long"},
    {"name": "status", "type": "string"},
    {"name": "occurred_at", "type": _INSTANT},
    {"name": "published_at", "type": _INSTANT},
    {"name": "source", "type": "string"},
    {"name": "region", "type": "string"},
]


def _envelope(event_id: str, entity: str, source: str, revision: int = 0, status: str = "ASSERTED") -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {
        "event_id": event_id, "entity_id": entity, "revision": revision, "status": status, "occurred_at": now,
        "published_at": now, "source": source, "region": "420106",
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """What a publisher sends to a contract; without a record it is poison."""

    contract: str
    party: str
    event_id: str
    record: dict[str, Any] | None = None


@dataclass
class Traffic:
    """Endless events of all contracts, the same for the same seed but for the time of day.

    Repeats, revisions that come late, retractions, seats that move to another flight, parties that disagree, and now
    and then a record that cannot be read.
    """

    random: Random
    _number: int = 0
    _sent: list[Sent] = field(default_factory=list)
    _revisions: dict[tuple[str, str], int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Sent]:
        while True:
            draw = self.random.random()
            if draw < 0.08 and self._sent:
                yield self._sent[-self.random.randint(1, min(500, len(self._sent)))]
            elif draw < 0.082:
                self._number += 1
                yield Sent("reading", "dxy", f"poison-{self._number}")
            else:
                self._number += 1
                kind = self.random.choices(("reading", "trip", "seat", "count"), (30, 20, 30, 20))[0]
                self._sent.append(getattr(self, f"_{kind}")())
                yield self._sent[-1]

    def _made(self, contract: str, party: str, entity: str, **own: Any) -> Sent:
        """The next revision of an entity; one in ten carries a number that was already there."""
        key = party, f"{contract} {entity}"
        revision = self._revisions.get(key, -1) + 1
        if revision and self.random.random() < 0.1:
            revision -= 1
        self._revisions[key] = max(revision, self._revisions.get(key, -1))
        retracted = revision > 0 and self.random.random() < 0.2
        status = "RETRACTED" if retracted else "CORRECTED" if revision else "ASSERTED"
        event_id = f"{contract}-{self._number}"
        return Sent(contract, party, event_id, {**_envelope(event_id, entity, party, revision, status), **own})

    def _reading(self) -> Sent:
        party = self.random.choice(("dxy", "canghailan"))
        return self._made("reading", party, f"k{self.random.randrange(200)}", quantity=self.random.randrange(200))

    def _recent(self, each: int) -> int:
        """A number that moves on with the traffic: about so many events share it."""
        return max(0, self._number // each - self.random.randrange(8))

    def _trip(self) -> Sent:
        flight = self._recent(20)
        entity = f"t{flight}-{self.random.randrange(4)}"
        return self._made("trip", "dxy", entity, flight=f"f{flight}", row=self.random.randrange(60))

    def _seat(self) -> Sent:
        flight = self._recent(20)
        moved = flight + 1 if self.random.random() < 0.2 else flight
        entity = f"s{flight}-{self.random.randrange(5)}"
        return self._made("seat", "canghailan", entity, flight=f"f{moved}", row=self.random.randrange(60))

    def _count(self) -> Sent:
        place = f"p{self._recent(60)}"
        return self._made("count", self.random.choice(PARTIES), place, place=place, cases=self.random.randrange(3))
