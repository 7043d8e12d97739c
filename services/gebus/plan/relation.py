"""The steps of a feed that bring records together, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gebus.model.event import AvroType
from gebus.plan.steps import StepPlan


@dataclass(frozen=True, slots=True)
class SidePlan:
    """What a relation is given of one source: the records that pass `steps`, and of these the fields `fields`."""

    source: int
    """The position of the input in the lane."""
    alias: str
    steps: tuple[StepPlan, ...]
    fields: tuple[str, ...]
    """The envelope, then what the relation and later steps use, in the order of the schema. Nothing else is kept."""

    def to_json(self) -> dict[str, Any]:
        steps = [step.to_json() for step in self.steps]
        return {"source": self.source, "alias": self.alias, "steps": steps, "fields": self.fields}


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """A join; `gebus.model.relation.Join` says what it promises."""

    name: str
    state: str
    """The name of its state: `<consumer>/<feed>.<step>`."""
    left: SidePlan
    right: SidePlan
    on: tuple[str, ...]
    within_ms: int
    matches: Literal["each-pair", "latest", "valid-at"]
    unmatched: Literal["wait", "left", "right", "both"]
    broadcast: Literal["none", "left", "right"]
    """The side whose records have a key of their own: a pair has the other side's."""
    most: int
    follow: bool
    schema: AvroType
    """Of its composite records: the envelope, then a record for each side, named by its alias."""

    @property
    def sides(self) -> tuple[SidePlan, ...]:
        return self.left, self.right

    def to_json(self) -> dict[str, Any]:
        sides = {"left": self.left.to_json(), "right": self.right.to_json()}
        return {"kind": "join", **_attributes(self), **sides}


@dataclass(frozen=True, slots=True)
class ReconcilePlan:
    """A reconcile; `gebus.model.relation.Reconcile` says what it promises."""

    name: str
    state: str
    of: SidePlan
    key: tuple[str, ...]
    authority: tuple[str, ...]
    within_ms: int
    compare: tuple[str, ...]
    gives: Literal["winner", "conflicts"]
    most: int
    schema: AvroType
    """The envelope and the assertion, named by the alias; for conflicts also `winner` and `differs`."""

    @property
    def sides(self) -> tuple[SidePlan, ...]:
        return (self.of,)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "reconcile", **_attributes(self), "of": self.of.to_json()}


Relation = JoinPlan | ReconcilePlan


def _attributes(relation: Relation) -> dict[str, Any]:
    return {slot: getattr(relation, slot) for slot in relation.__slots__}
