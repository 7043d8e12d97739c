"""A lane before it runs: values that one can print, compare and test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gebus.model.event import AvroType, EventField
from gebus.model.feed import Grant
from gebus.plan.expression import Expression
from gebus.policy import Outcome

_MASK_ATTRIBUTES = {
    "fixed": ("value",),
    "partial": ("first", "last"),
    "division": ("digits",),
    "date": ("unit",),
    "instant": ("unit",),
    "band": ("width",),
}
"""What the kernel is told of each kind of mask; the others need nothing."""


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What a lane reads: one Kafka topic a publisher, with equal partitions and the same key."""

    name: str
    topics: Mapping[str, str]
    """Kafka topic -> the party that alone writes it."""
    schema: AvroType
    key: tuple[str, ...]
    past_ms: int
    future_ms: int
    in_a_row: int
    ratio: float

    def to_json(self) -> dict[str, Any]:
        return {**{slot: getattr(self, slot) for slot in self.__slots__}, "topics": dict(self.topics)}


@dataclass(frozen=True, slots=True)
class TablePlan:
    """The keys that a deduplicate remembers; feeds that ask the same of every record share one."""

    name: str
    key: tuple[str, ...]
    window_ms: int

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "key": self.key, "window_ms": self.window_ms}


@dataclass(frozen=True, slots=True)
class DeduplicatePlan:
    """Pass the first record of each key; `table` is the position in the lane's tables."""

    name: str
    table: int

    def to_json(self) -> dict[str, Any]:
        return {"kind": "deduplicate", "name": self.name, "table": self.table}


@dataclass(frozen=True, slots=True)
class WherePlan:
    """Pass the records for which `when` is true; `text` is the condition as it was written."""

    name: str
    text: str
    when: Expression

    def to_json(self) -> dict[str, Any]:
        return {"kind": "where", "name": self.name, "when": self.when.to_json()}


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field of the delivered record, and of those the policy keeps back: `outcome.delivered` tells which."""

    name: str
    source: EventField
    outcome: Outcome
    type: AvroType
    """The Avro type as delivered, complete in itself."""

    def to_json(self, avro: AvroType) -> dict[str, Any]:
        """The field with its type as it stands in the record, where a definition is written out but once."""
        mask = self.outcome.mask
        return {
            "name": self.name,
            "path": [self.source.name],
            "type": avro,
            "mask": mask
            and {"kind": mask.kind, **{name: getattr(mask, name) for name in _MASK_ATTRIBUTES.get(mask.kind, ())}},
        }


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """One feed of a lane: steps in order, then the record that is delivered."""

    name: str
    """`<consumer>/<feed>`."""
    topic: str
    consumer: str
    purpose: str
    tier: int
    partitions: int
    retention: timedelta
    grant: Grant
    grant_expires_ms: int
    steps: tuple[DeduplicatePlan | WherePlan, ...]
    select: str
    """The name of the select step."""
    fields: tuple[FieldPlan, ...]
    """The envelope, then every selected field, also those that the policy drops."""
    output_schema: AvroType
    """The Avro schema of the delivered record."""

    @property
    def delivered(self) -> tuple[FieldPlan, ...]:
        return tuple(field for field in self.fields if field.outcome.delivered)

    def to_json(self) -> dict[str, Any]:
        types = [field["type"] for field in self.output_schema["fields"]]
        fields = [field.to_json(avro) for field, avro in zip(self.delivered, types, strict=True)]
        return {
            "name": self.name,
            "topic": self.topic,
            "grant_expires_ms": self.grant_expires_ms,
            "steps": [step.to_json() for step in self.steps],
            "select": {"name": self.select, "fields": fields},
        }


@dataclass(frozen=True, slots=True)
class LanePlan:
    """The running form of all feeds with the same source."""

    name: str
    partitions: int
    source: SourcePlan
    tables: tuple[TablePlan, ...]
    feeds: tuple[FeedPlan, ...]

    def to_kernel(self) -> str:
        """The plan as the JSON that `gebus_kernel.Kernel` compiles; the same plan gives the same text."""
        return json.dumps(
            {
                "lane": self.name,
                "partitions": self.partitions,
                "source": self.source.to_json(),
                "tables": [table.to_json() for table in self.tables],
                "feeds": [feed.to_json() for feed in self.feeds],
            },
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )
