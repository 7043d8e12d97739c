"""A lane before it runs: values that one can print, compare and test.

`LanePlan` has `inputs` (`InputPlan`: what it reads), `tables` (`TablePlan`: the keys that deduplicates remember),
`feeds` (`FeedPlan`, whose `relation` is a `JoinPlan` or `ReconcilePlan` of `SidePlan`s, see `gebus.plan.relation`),
`rekeys` (`RekeyPlan`: what it writes for other lanes) and `ordered`. Tables, sides and feeds name an input by its
position in `inputs`. `to_kernel()` is the JSON that the kernel compiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from gebus.model.event import ENVELOPE, AvroType, EventField
from gebus.model.feed import Grant
from gebus.plan.relation import Relation
from gebus.plan.steps import StepPlan
from gebus.policy import NULL, Outcome, TokenRule

_MASK_ATTRIBUTES = {
    "fixed": ("value",),
    "partial": ("first", "last"),
    "division": ("digits",),
    "date": ("unit",),
    "instant": ("unit",),
    "band": ("width",),
    "grid": ("width",),
}
"""What the kernel is told of each kind of mask; the others need nothing."""


@dataclass(frozen=True, slots=True)
class InputPlan:
    """What a lane reads: the Kafka topics of a contract as they are, or an internal topic with copies of them."""

    name: str
    """The contract's name, or for an internal topic what it is copied for: `travel.seat.by.carrier_no.4`."""
    contract: str
    internal: bool
    topics: Mapping[str, str]
    """Kafka topic -> the party that alone writes it; "" for an internal topic, which lanes write."""
    schema: AvroType
    key: tuple[str, ...]
    """The fields that the Kafka key is made of."""
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
    source: int | None
    """The input whose records it remembers; None: the composite records of `feed`."""
    key: tuple[str, ...]
    """Fields of the input, or `<alias>.<field>` of a composite."""
    window_ms: int
    feed: str | None = None

    def to_json(self) -> dict[str, Any]:
        table = {"name": self.name, "source": self.source, "key": self.key, "window_ms": self.window_ms}
        return table if self.feed is None else {**table, "feed": self.feed}


@dataclass(frozen=True, slots=True)
class RekeyPlan:
    """An internal topic that a lane writes: its input's records again, under another key or in every partition."""

    name: str
    """The name of the input that it becomes in other lanes."""
    topic: str
    contract: str
    source: int
    """The input that is copied."""
    key: tuple[str, ...]
    partitions: int
    all: bool
    """One copy to every partition."""
    moves_ms: int | None
    """How long the last key of an entity is remembered, so that a revision under another key reaches both places."""
    retention: timedelta

    def to_json(self) -> dict[str, Any]:
        parts = ("name", "topic", "source", "key", "partitions", "all", "moves_ms")
        return {part: getattr(self, part) for part in parts}


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field of the delivered record, and of those the policy keeps back: `delivered` tells which."""

    name: str
    source: EventField
    outcome: Outcome
    """In the normal mode; of a feed that flows in an emergency alone, there."""
    emergency: Outcome
    """Within an emergency; the same where it makes no difference."""
    type: AvroType
    """The Avro type as delivered, complete in itself, in either mode: null where one of them keeps the field back."""
    of: str
    """What was selected, `<alias>.<field>`; for the envelope the name alone."""
    path: tuple[str, ...]
    """Where the value lies in the record that comes out of the last step."""

    @property
    def words(self) -> str:
        """What is delivered, in words."""
        if self.outcome.mask == self.emergency.mask:
            return self.outcome.words
        return f"{self.outcome.words}; in an emergency {self.emergency.words}"

    @property
    def outcomes(self) -> tuple[Outcome, Outcome]:
        return self.outcome, self.emergency

    @property
    def delivered(self) -> bool:
        """Whether the field is in the record at all."""
        return any(outcome.delivered for outcome in self.outcomes)

    def to_json(self, avro: AvroType, outcome: Outcome) -> dict[str, Any]:
        """The field with its type as it stands in the record, where a definition is written out but once."""
        mask = outcome.mask if outcome.delivered else NULL
        return {
            "name": self.name,
            "path": self.path,
            "type": avro,
            "mask": mask
            and {"kind": mask.kind, **{name: getattr(mask, name) for name in _MASK_ATTRIBUTES.get(mask.kind, ())}},
            "class": 0 if self.name in ENVELOPE else self.source.level,
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
    grant: Grant | None
    """What was approved on paper, if anything was."""
    grant_expires_ms: int
    """Until when records flow where nobody tells the kernel of live grants, as in `gebus test`."""
    source: int | None
    """The input of a feed that has only one; None: a join has two."""
    relation: Relation | None
    steps: tuple[StepPlan, ...]
    """On the input's records; after a relation on its composite records."""
    follow_ms: int | None
    """How long what was delivered is remembered, so that its corrections follow; None: they do not."""
    select: str
    """The name of the select step."""
    fields: tuple[FieldPlan, ...]
    """The envelope, then every selected field, also those that the policy drops."""
    output_schema: AvroType
    """The Avro schema of the delivered record."""
    mode: Literal["any", "normal", "emergency"]
    tokens: TokenRule | None
    """How its tokens are made; None: it has none."""

    @property
    def delivered(self) -> tuple[FieldPlan, ...]:
        return tuple(field for field in self.fields if field.delivered)

    def to_json(self) -> dict[str, Any]:
        types = [field["type"] for field in self.output_schema["fields"]]
        pairs = list(zip(self.delivered, types, strict=True))
        fields = [field.to_json(avro, field.outcome) for field, avro in pairs]
        emergency = [field.to_json(avro, field.emergency) for field, avro in pairs]
        return {
            "name": self.name,
            "topic": self.topic,
            "grant_expires_ms": self.grant_expires_ms,
            "source": self.source,
            "relation": self.relation and self.relation.to_json(),
            "steps": [step.to_json() for step in self.steps],
            "follow_ms": self.follow_ms,
            "mode": self.mode,
            "tokens": self.tokens and {"period": self.tokens.period, "hash": self.tokens.hash},
            "select": {
                "name": self.select,
                "fields": fields,
                "emergency": emergency if emergency != fields else None,
            },
        }


@dataclass(frozen=True, slots=True)
class LanePlan:
    """The running form of all feeds with the same inputs."""

    name: str
    """The names of the inputs, sorted, joined by `-`."""
    partitions: int
    inputs: tuple[InputPlan, ...]
    tables: tuple[TablePlan, ...]
    feeds: tuple[FeedPlan, ...]
    rekeys: tuple[RekeyPlan, ...] = ()
    ordered: bool = False
    """Whether what it gives depends on the order between its topics."""
    policy: str = ""
    """The version of the policy that decided what its feeds deliver."""

    @property
    def remembers_ms(self) -> int:
        """The longest that an entry of the lane's state counts, but for an eighth of it more; 0: it has no state."""
        windows = [table.window_ms for table in self.tables]
        windows += [rekey.moves_ms for rekey in self.rekeys if rekey.moves_ms is not None]
        windows += [feed.relation.within_ms for feed in self.feeds if feed.relation is not None]
        windows += [feed.follow_ms for feed in self.feeds if feed.follow_ms is not None]
        return max(windows, default=0)

    def to_kernel(self) -> str:
        """The plan as the JSON that `gebus_kernel.Kernel` compiles; the same plan gives the same text."""
        return json.dumps(
            {
                "lane": self.name,
                "partitions": self.partitions,
                "ordered": self.ordered,
                "sources": [source.to_json() for source in self.inputs],
                "tables": [table.to_json() for table in self.tables],
                "rekeys": [rekey.to_json() for rekey in self.rekeys],
                "feeds": [feed.to_json() for feed in self.feeds],
            },
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )
