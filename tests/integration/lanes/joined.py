"""A feed of two contracts that are joined: cases' trips under another key than the join's, seats under the join's."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from tests.integration.lanes.kit import PARTITIONS, ROOT, Bed, wait_until

from gebus.catalogue import load
from gebus.lanes.accounts import Row, read_accounts
from gebus.plan import FeedPlan, LanePlan, lanes
from gebus.testing.messages import Encoder, key_of

SIDES = {"trip": ("dxy", ("entity_id",)), "seat": ("canghailan", ("carrier", "day"))}
"""The publisher of each side, and its key."""
SLICES = 2 * PARTITIONS
"""Of the lane that writes trips again under the join's key, and of the lane that joins."""


def write_joined_catalogue(root: Path, domain: str, *, join: Mapping[str, str] | None = None) -> None:
    """Two contracts of one publisher each, and a feed of both; `join` changes what the join says."""
    for part in ("parties", "codes", "topics", f"events/{domain}"):
        (root / part).mkdir(parents=True)
    for party in ("dxy", "canghailan", "hubei-health", "hubei-data"):
        shutil.copy(ROOT / "schemas/parties" / f"{party}.yaml", root / "parties")
    for codes in ("field-policy", "token-rules"):
        shutil.copy(ROOT / f"schemas/codes/{codes}.yaml", root / "codes")
    for side, (party, key) in SIDES.items():
        (root / f"topics/{domain}.{side}.yaml").write_text(
            _TOPIC.format(domain=domain, side=side, event=side.title(), party=party, key=", ".join(key))
        )
        (root / f"events/{domain}/{side.title()}.avsc").write_text(json.dumps(_event(domain, side)))
        examples = root / f"examples/{domain}.{side}"
        examples.mkdir(parents=True)
        (examples / "examples.jsonl").write_text(json.dumps(event(side, f"{side}-0")) + "\n")
    said = {
        "name": "same-run", "left": "trip", "right": "seat", "on": "[carrier, day]", "within": "14d",
        "matches": "each-pair", "unmatched": "wait", "broadcast": "none", "most": "1000", **(join or {}),
    }  # fmt: skip
    feeds = root / "feeds/hubei-health"
    feeds.mkdir(parents=True)
    step = ", ".join(f"{name}: {value}" for name, value in said.items())
    (feeds / f"{domain}-contacts.yaml").write_text(_FEED.format(domain=domain, join=step))


def event(
    side: str, event_id: str, *, entity: str = "", carrier: str = "G1", day: int = 18_000, **also: Any
) -> dict[str, Any]:
    """One trip or seat; `who` is the person."""
    now = int(time.time() * 1000)
    return {
        "event_id": event_id, "entity_id": entity or event_id, "revision": 0, "status": "ASSERTED", "occurred_at": now,
        "published_at": now, "source": SIDES[side][0], "region": "420106", "carrier": carrier, "day": day,
        "who": event_id, **also,
    }  # fmt: skip


@dataclass
class JoinBed(Bed):
    """The two contracts, applied to the stack."""

    _encoders: dict[str, Encoder] = field(default_factory=dict)

    @cached_property
    def plans(self) -> tuple[LanePlan, ...]:
        return lanes(load(self.root))

    @cached_property
    def feed_plan(self) -> FeedPlan:
        (found,) = [feed for plan in self.plans for feed in plan.feeds]
        return found

    def topic_of(self, side: str) -> str:
        return f"{self.domain}.{side}.{SIDES[side][0]}"

    def encoder_of(self, side: str) -> Encoder:
        if side not in self._encoders:
            contract = f"{self.domain}.{side}"
            schema = next(one.schema for plan in self.plans for one in plan.inputs if one.name == contract)
            with self.stack.registry() as registry:
                self._encoders[side] = Encoder(schema, registry.latest(f"{contract}-value").id)
        return self._encoders[side]

    def publish_side(self, side: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Publish records of one side, each acknowledged when this returns."""
        party, key = SIDES[side]
        encoder = self.encoder_of(side)
        with self.publisher(party) as producer:
            sent = [
                producer.send(self.topic_of(side), key=key_of(one, key), value=encoder.encode(one)) for one in events
            ]
            for one in sent:
                one.get(30)

    def contacts(self) -> list[tuple[str | None, str | None]]:
        """What the feed holds: who met whom, in its order."""
        plan = self.feed_plan
        if "feed" not in self._encoders:
            with self.stack.registry() as registry:
                self._encoders["feed"] = Encoder(plan.output_schema, registry.latest(f"{plan.topic}-value").id)
        rows = [self._encoders["feed"].decode(message.value()) for message in self.read(plan.topic)]
        return [(row["patient"], row["contact"]) for row in rows]

    def accounts(self) -> list[Row]:
        with self.reader() as reader:
            return read_accounts(reader, self.plans)

    def wait_contacts(self, wanted: set[tuple[str, str]]) -> None:
        """Wait until the feed holds these, each once, and nothing else."""
        found: list[tuple[str | None, str | None]] = []

        def there() -> bool:
            found[:] = self.contacts()
            return len(found) >= len(wanted)

        wait_until(there, f"{len(wanted)} contacts")
        assert sorted(map(str, found)) == sorted(map(str, wanted))

    def trim(self, topic: str) -> None:
        """Take every record out of a topic, as its retention does in time."""
        ends = self.stack.admin.ends([topic])
        client = AdminClient(self.stack.connection().for_librdkafka())
        gone = client.delete_records([TopicPartition(name, number, end) for (name, number), end in ends.items()])
        for answer in gone.values():
            answer.result(30)

    def assert_accounted(self) -> None:
        wrong = [row for row in self.accounts() if not row.adds_up]
        assert wrong == []


def pairs(trips: Iterable[Mapping[str, Any]], seats: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Who met whom, found naively."""
    return {
        (trip["who"], seat["who"])
        for trip in trips
        for seat in seats
        if (trip["carrier"], trip["day"]) == (seat["carrier"], seat["day"])
    }


def _event(domain: str, side: str) -> dict[str, Any]:
    envelope: list[dict[str, Any]] = [
        {"name": "event_id", "type": "string"},
        {"name": "entity_id", "type": "string"},
        {"name": "revision", "type": "long"},
        {"name": "status", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "published_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "source", "type": "string"},
        {"name": "region", "type": "string"},
    ]
    own: list[dict[str, Any]] = [
        {"name": "carrier", "type": "string", "doc": "The run's number."},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}, "doc": "The run's day."},
        {"name": "who", "type": "string", "doc": "Whose."},
    ]
    plain = {"classification": 1, "identifies": "none"}
    return {
        "type": "record",
        "name": side.title(),
        "namespace": f"gebus.{domain}",
        "doc": f"A {side}.",
        "fields": envelope + [one | plain for one in own],
    }


_TOPIC = """\
topic: {domain}.{side}
title: {{zh: 行程, en: Journeys}}
event: {event}
owner: hubei-health
publishers: [{party}]
key: [{key}]
partitions: 4
compatibility: BACKWARD_TRANSITIVE
retention: 1d
event_time: {{past: 1d, future: 1h}}
dead_letters: {{in_a_row: 1000, ratio: 1.0}}
standard: null
examples: [examples.jsonl]
"""

_FEED = """\
feed: {domain}-contacts
title: {{zh: 接触者, en: Contacts}}
consumer: hubei-health
purpose: contact-tracing
tier: 4
grant: {{basis: A test, approved_by: hubei-data, approved_on: 2026-01-01, expires_on: 2099-01-01}}
retention: 1d
partitions: 1
sources: {{trip: {domain}.trip, seat: {domain}.seat}}
steps:
  - join: {{{join}}}
  - select: {{name: contact, fields: {{patient: trip.who, contact: seat.who}}}}
corrections: independent
mode: any
cases:
  - name: who was on the same run is a contact
    given:
      - trip: {{event_id: t, entity_id: t, carrier: G1, day: 18000, who: t}}
      - seat: {{event_id: s, entity_id: s, carrier: G1, day: 18000, who: s}}
    expect:
      - {{patient: t, contact: s}}
"""
