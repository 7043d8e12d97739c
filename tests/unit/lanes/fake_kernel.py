"""A kernel of a few lines: it deduplicates by the record's text, and remembers it in the state topic.

A record is text. `poison...` is dead, `schema7...` needs schema id 7, `ceiling...` is one dead letter too many; any
other is delivered to `feed.<lane>` in capitals, unless the slice has seen it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message


@dataclass
class Dead:
    index: int
    reason: str = "poison"
    detail: str = "it says so"
    place: str = ""


@dataclass
class Blocked:
    index: int
    reason: str
    schema_id: int | None


@dataclass
class Step:
    count: int = 0
    outputs: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)


@dataclass
class Account:
    lane: str
    slice: int
    topic: str
    feed: str
    taken: int = 0
    delivered: int = 0
    filtered: int = 0
    duplicate: int = 0
    withheld: int = 0
    dead: int = 0
    more: int = 0
    waiting: int = 0


@dataclass
class Leaf:
    lane: str
    slice: int
    count: int
    feed: str = "cdc/masks"
    mode: int = 0
    size: int = 9
    fields: tuple[int, int, int, int] = (1, 2, 3, 4)
    root: bytes = bytes(32)

    @property
    def entries(self) -> bytes:
        return bytes(40 * self.count)


class FakeKernel:
    """Of one lane. Refuses what the real one refuses: a slice that is not open, or open twice."""

    LATENCY_BOUNDS_MS = (10, 100)

    def __init__(self, lane: str = "a.b", *, ordered: bool = False) -> None:
        self.lane, self.ordered = lane, ordered
        self.ticked: list[tuple[int, int]] = []
        self.slices: dict[int, set[str]] = {}
        self.fresh: dict[int, list[str]] = {}
        self.counts: Counter[tuple[str, int, str]] = Counter()
        self.schemas: dict[int, str] = {}
        self.advanced: list[tuple[int, int]] = []
        self.due: dict[int, bool] = {}
        """Slices in which a tick delivers something."""
        self.feed_ids: dict[str, int] = {}
        self.token_keys: dict[str, bytes] = {}

    def add_writer_schema(self, source: str, schema_id: int, schema: str) -> None:
        if schema == "unreadable":
            raise ValueError("cannot be read")
        self.schemas[schema_id] = "known"

    def refuse_schema(self, source: str, schema_id: int, reason: str) -> None:
        self.schemas[schema_id] = reason

    def set_feed_schema(self, feed: str, schema_id: int) -> None:
        self.feed_ids[feed] = schema_id

    def set_token_key(self, feed: str, key: bytes) -> None:
        self.token_keys[feed] = key

    def open(self, lane: str, number: int) -> None:
        if number in self.slices:
            raise ValueError(f"slice {number} is open")
        self.slices[number], self.fresh[number] = set(), []

    def close(self, lane: str, number: int) -> None:
        del self.slices[number], self.fresh[number]

    def restore(self, lane: str, number: int, key: bytes, value: bytes) -> None:
        if value == b"another form":
            raise ValueError(f"lane {lane}: slice {number}: table seen was written by another form of its step")
        self.slices[number].update(json.loads(value))

    def dump(self, lane: str, number: int) -> list[tuple[bytes, bytes]]:
        if self.fresh[number]:
            raise ValueError("a transaction is open")
        return [(b"seen", json.dumps([text]).encode()) for text in sorted(self.slices[number])]

    def step(self, messages: Sequence[Message]) -> Step:
        step = Step()
        stopped: set[tuple[str, int]] = set()
        whole = "every topic"
        delivered = []
        for index, message in enumerate(messages):
            topic, partition = message.topic(), message.partition()
            if message.offset() < 0 or message.error():
                raise ValueError("a client's error is no record")
            if partition not in self.slices:
                raise ValueError(f"slice {partition} is not open")
            text = (message.value() or b"").decode()
            stop = (whole if self.ordered else topic, partition)
            if stop in stopped:
                continue
            schema = re.match(r"schema(\d+)", text)
            known = self.schemas.get(int(schema[1]), "") if schema else "known"
            full = text.startswith("full") and step.count > 0
            if text.startswith("ceiling") or full or not known:
                stopped.add(stop)
                reason = "batch_full" if full else "unknown_schema" if schema else "dead_letter_limit"
                step.blocked.append(Blocked(index, reason, int(schema[1]) if schema else None))
                continue
            step.count += 1
            self.counts["taken", partition, topic] += 1
            if text.startswith("poison") or known != "known":
                step.dead.append(Dead(index, "poison" if known == "known" else known))
            elif text not in self.slices[partition]:
                self.slices[partition].add(text)
                self.fresh[partition].append(text)
                delivered.append({"value": text.upper().encode(), "key": message.key()})
        if delivered:
            step.outputs.append((f"feed.{self.lane}", delivered))
        return step

    def state(self) -> list[tuple[str, int, bytes, bytes]]:
        return [(self.lane, n, b"seen", json.dumps(texts).encode()) for n, texts in self.fresh.items() if texts]

    def leaves(self) -> list[Leaf]:
        return [Leaf(self.lane, number, len(texts)) for number, texts in self.fresh.items() if texts]

    def commit(self, now_ms: int) -> list[int]:
        delivered = sum(len(texts) for texts in self.fresh.values())
        for texts in self.fresh.values():
            texts.clear()
        return [delivered, 0, 0]

    def tick(self, lane: str, number: int, clock_ms: int) -> Step:
        self.ticked.append((number, clock_ms))
        return Step(outputs=[(f"feed.{lane}", [{"value": b"TICK", "key": b"t"}])] if self.due.pop(number, None) else [])

    def advance(self, lane: str, number: int, clock_ms: int) -> int:
        self.advanced.append((number, clock_ms))
        return 0

    def accounts(self) -> list[Account]:
        taken = [(place, count) for place, count in self.counts.items() if place[0] == "taken"]
        return [Account(self.lane, number, topic, "", taken=count) for (_, number, topic), count in taken]

    def spill_to(self, folder: object, disk_bytes: int, cache_bytes: int) -> None:
        """It has no disk."""

    def spilt(self) -> list[tuple[str, int, str, int]]:
        return []

    def state_size(self) -> list[tuple[str, int, str, int, int]]:
        return [(self.lane, number, "seen", len(texts), 24 * len(texts)) for number, texts in self.slices.items()]
