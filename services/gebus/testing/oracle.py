"""The naive twin of a lane: plain Python on fastavro and cel-python, one record at a time, everything decoded.

It shares nothing with the planner's compiler or the kernel, so that what both say of an input is worth comparing. Slow,
without limits on memory, and forgetful of nothing: not for anything but tests.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import fastavro

from gebus.model.catalogue import Catalogue
from gebus.model.event import ENVELOPE, STATUSES, AvroType, EventSchema, Mask
from gebus.model.feed import Deduplicate, DeduplicateStep, Feed, SelectStep, WhereStep
from gebus.model.key import encode_key
from gebus.model.mask import mask_of
from gebus.model.topic import TopicContract
from gebus.policy import POLICY_LIST, Policy, decide
from gebus.testing import strict_avro
from gebus.testing.messages import FakeMessage, raw
from gebus.testing.oracle_condition import Condition
from gebus.testing.oracle_masks import masked

Record = dict[str, Any]


class Oracle:
    """The lane of one source: give it each record in the order in which the lane took them."""

    def __init__(self, catalogue: Catalogue, source: str, token_key: Callable[[str], bytes]) -> None:
        self._contract: TopicContract = catalogue.topics[source]
        self._event: EventSchema = catalogue.events[source]
        self._reader = raw(self._event.avro)
        self._writers: dict[int, AvroType] = {}
        self._refused: dict[int, str] = {}
        policy = Policy.from_codes(catalogue.codes[POLICY_LIST])
        self.feeds = [
            _FeedOracle(feed, self._event, policy, token_key(feed.id))
            for _, feed in sorted(catalogue.feeds.items())
            if source in feed.sources.values()
        ]
        self.dead: list[tuple[FakeMessage, set[str]]] = []
        """Each dead letter with every reason that holds for it; the lane may name any one of them."""

    def know_schema(self, schema_id: int, schema: AvroType) -> None:
        """A writer schema under its id."""
        self._writers[schema_id] = raw(schema)

    def refuse_schema(self, schema_id: int, reason: str) -> None:
        """A writer schema whose records are dead letters."""
        self._refused[schema_id] = reason

    def take(self, message: FakeMessage) -> None:
        """One record, in full."""
        record, reasons = self._read(message)
        if record is not None and not reasons:
            reasons = set(self._broken_rules(message, record))
        if record is None or reasons:
            self.dead.append((message, reasons))
        for feed in self.feeds:
            feed.accounts["taken"] += 1
            if record is None or reasons:
                feed.accounts["dead"] += 1
            else:
                feed.accounts[feed.take(message, record)] += 1

    def _read(self, message: FakeMessage) -> tuple[Record | None, set[str]]:
        value = message.value()
        if (reason := self._envelope_of(value)) is not None or value is None:
            return None, {reason or "tombstone"}
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id in self._refused:
            return None, {self._refused[schema_id]}
        writer = self._writers[schema_id]
        try:
            strict_avro.check(value[5:], writer)
        except strict_avro.Undecodable as error:
            return None, {error.reason}
        record: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), writer, self._reader)
        return record, set()

    def _envelope_of(self, value: bytes | None) -> str | None:
        """What is wrong before any schema is looked at."""
        if value is None:
            return "tombstone"
        if len(value) > strict_avro.MOST_BYTES:
            return "too_large"
        if len(value) < 5:
            return "short"
        return "not_avro" if value[0] != 0 else None

    def _broken_rules(self, message: FakeMessage, record: Record) -> list[str]:
        append_ms = message.timestamp()[1]
        window = self._contract.event_time
        owner = {self._contract.kafka_topic(party): party for party in self._contract.publishers}[message.topic()]
        early = record["occurred_at"] < append_ms - window.past // timedelta(milliseconds=1)
        late = record["occurred_at"] > append_ms + window.future // timedelta(milliseconds=1)
        rules = {
            "wrong_key": message.key() != encode_key([record[name] for name in self._contract.key]),
            "forged_source": record["source"] != owner,
            "bad_status": record["status"] not in STATUSES,
            "bad_region": re.fullmatch(r"[0-9]{6,12}", record["region"]) is None,
            "bad_event_id": not 1 <= len(record["event_id"].encode()) <= 256,
            "negative_revision": record["revision"] < 0,
            "too_early": early,
            "too_late": late,
        }
        return [rule for rule, broken in rules.items() if broken]


class _FeedOracle:
    """One feed: its own memory of keys, its own records and accounts."""

    def __init__(self, feed: Feed, event: EventSchema, policy: Policy, key: bytes) -> None:
        self.name = feed.id
        self.delivered: list[tuple[bytes | None, Record]] = []
        self.accounts: Counter[str] = Counter()
        self._key = key
        self._expires_ms = int(datetime.combine(feed.grant.expires_on, time(), UTC).timestamp() * 1000)
        alias = next(iter(feed.sources))
        self._seen: list[dict[tuple[int, tuple[Any, ...]], list[int]]] = [{} for _ in feed.steps]
        self._conditions = {
            index: Condition(step.where.when, alias, event.avro)
            for index, step in enumerate(feed.steps)
            if isinstance(step, WhereStep)
        }
        self._steps = feed.steps
        self._lowest = {field.name: -(2 ** (31 if "int" in json.dumps(field.type) else 63)) for field in event.fields}
        self._fields: dict[str, tuple[str, Mask | None]] = {name: (name, None) for name in ENVELOPE}
        for step in feed.steps:
            if isinstance(step, SelectStep):
                for name, choice in step.select.fields.items():
                    source = (choice if isinstance(choice, str) else choice.of).split(".")[1]
                    author = None if isinstance(choice, str) else mask_of(choice.mask)
                    field = next(field for field in event.fields if field.name == source)
                    outcome = decide(field, feed.tier, policy, author)
                    if outcome.delivered:
                        self._fields[name] = (source, outcome.mask)

    def take(self, message: FakeMessage, record: Record) -> str:
        """What became of the record: delivered, filtered, duplicate or withheld."""
        for index, step in enumerate(self._steps):
            if isinstance(step, WhereStep) and self._conditions[index].evaluate(record) is not True:
                return "filtered"
            if isinstance(step, DeduplicateStep) and self._is_repeat(index, step.deduplicate, message, record):
                return "duplicate"
        if message.timestamp()[1] >= self._expires_ms:
            return "withheld"
        projected = {
            name: masked(record[source], mask, self._key, self._lowest[source])
            for name, (source, mask) in self._fields.items()
        }
        self.delivered.append((message.key(), projected))
        return "delivered"

    def _is_repeat(self, index: int, step: Deduplicate, message: FakeMessage, record: Record) -> bool:
        """A repeat lies in the same eighth of the window as an entry, or at most eight of them from it."""
        eighth = -(-(step.within // timedelta(milliseconds=1)) // 8)
        generation = message.timestamp()[1] // eighth
        key = tuple(record[name] for name in dict.fromkeys(step.key))
        entries = self._seen[index].setdefault((message.partition(), key), [])
        if any(abs(generation - entry) <= 8 for entry in entries):
            return True
        entries.append(generation)
        return False
