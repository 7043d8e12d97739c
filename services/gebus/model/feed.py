"""A feed: what one consumer gets, as sources and named steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from gebus.model.base import Day, Duration, FieldName, Model, Name, PartyId, Title, TopicName
from gebus.model.relation import Join, Reconcile

_Origin = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,60}$")]
"""The alias of a source, or the name of the feed's join or reconcile step."""
_KeyField = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,60}(\.[a-z][a-z0-9_]{0,60})?$")]


class Deduplicate(Model):
    """Pass the first record of each key; drop repeats while the key is remembered.

    `of` is the source whose records are meant, and the key is made of its fields; after a join or reconcile it is the
    name of that step, and each part of the key is `<alias>.<field>`.

    Promised: a record whose key was seen less than `within` before, by the log's append time, adds nothing, over any
    crash, rebalance or replay. Not promised: after `within`, and at most an eighth of it later, the key counts as new.
    """

    name: Name
    of: _Origin
    key: Annotated[tuple[_KeyField, ...], Field(min_length=1)]
    within: Duration


class Where(Model):
    """Pass the records for which the CEL condition `when` holds.

    Before a join or reconcile it decides on one source, `of`; elsewhere `of` is left out.

    A condition that is left undecided, by a null field, an overflow or a division by zero, does not hold. Not
    promised: the order in which parts of the condition are evaluated.
    """

    name: Name
    of: FieldName | None = None
    when: Annotated[str, Field(min_length=1, max_length=4096)]


class PartialMask(Model):
    first: Annotated[int, Field(ge=0, le=64)]
    last: Annotated[int, Field(ge=0, le=64)]


class GeneraliseMask(Model):
    """Exactly one of: division, date, instant, band, grid (arc minutes)."""

    division: Literal["province", "city", "county", "street", "parent"] | None = None
    date: Literal["month", "year"] | None = None
    instant: Literal["day", "month", "year"] | None = None
    band: Annotated[int, Field(ge=2)] | None = None
    grid: Annotated[int, Field(ge=1, le=600)] | None = None

    @model_validator(mode="after")
    def _one(self) -> GeneraliseMask:
        if sum(part is not None for part in (self.division, self.date, self.instant, self.band, self.grid)) != 1:
            raise ValueError("generalise takes exactly one of division, date, instant, band, grid")
        return self


class MaskChoice(Model):
    """A mask as it is written in a schema or a feed: `null`, `token`, `drop`, or an object for the other kinds."""

    fixed: str | None = None
    partial: PartialMask | None = None
    generalise: GeneraliseMask | None = None

    @model_validator(mode="after")
    def _one(self) -> MaskChoice:
        if sum(part is not None for part in (self.fixed, self.partial, self.generalise)) != 1:
            raise ValueError("a mask is null, token, drop, or exactly one of fixed, partial, generalise")
        return self


def written_as(value: object) -> str:
    """Which of two ways a choice is written, so that an error speaks of that way alone."""
    return "text" if isinstance(value, str) else "object"


class SelectedField(Model):
    """A field with a mask that its author wants although the policy would not ask for it."""

    of: str
    mask: Annotated[
        Annotated[Literal["null", "token", "drop"], Tag("text")] | Annotated[MaskChoice, Tag("object")],
        Discriminator(written_as),
    ]


_Selected = Annotated[Annotated[str, Tag("text")] | Annotated[SelectedField, Tag("object")], Discriminator(written_as)]


class Select(Model):
    """Make the delivered record: the envelope, then these fields in this order, masked as the policy says.

    Promised: no field is delivered in clear that the policy masks for this consumer, whatever is selected. Not
    promised: that a selected field is there at all; `gebus explain` says what the policy leaves of it.
    """

    name: Name
    fields: Annotated[Mapping[FieldName, _Selected], Field(min_length=1)]


class DeduplicateStep(Model):
    deduplicate: Deduplicate


class WhereStep(Model):
    where: Where


class JoinStep(Model):
    join: Join


class ReconcileStep(Model):
    reconcile: Reconcile


class SelectStep(Model):
    select: Select


STEPS: Mapping[str, type[Model]] = {
    "deduplicate": DeduplicateStep,
    "where": WhereStep,
    "join": JoinStep,
    "reconcile": ReconcileStep,
    "select": SelectStep,
}
"""The steps by the one key that each is written with."""


def _kind_of_step(value: object) -> str | None:
    """The one key of a step; None, which is an error, for anything else."""
    if isinstance(value, Mapping):
        return next(iter(value)) if len(value) == 1 else None
    return next((kind for kind, step in STEPS.items() if isinstance(value, step)), None)


Step = Annotated[
    Annotated[DeduplicateStep, Tag("deduplicate")]
    | Annotated[WhereStep, Tag("where")]
    | Annotated[JoinStep, Tag("join")]
    | Annotated[ReconcileStep, Tag("reconcile")]
    | Annotated[SelectStep, Tag("select")],
    Discriminator(_kind_of_step),
]


def kind_and_name(step: Step) -> tuple[str, str]:
    """What kind of step it is, and its name."""
    kind = next(iter(type(step).model_fields))
    return kind, getattr(step, kind).name


class Grant(Model):
    """A permission that was approved on paper; `gebus apply` records it (see gebus.model.grant).

    After `expires_on` (00:00 UTC, by log time) the feed's records are withheld.
    """

    basis: Annotated[str, Field(min_length=1)]
    approved_by: PartyId
    approved_on: Day
    expires_on: Day

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Grant:
        if self.expires_on <= self.approved_on:
            raise ValueError("expires_on is later than approved_on")
        return self


class Case(Model):
    """Given these records, the feed holds exactly those, in order. The format is explained by `gebus test --help`."""

    name: Annotated[str, Field(min_length=1)]
    mode: Literal["normal", "emergency"] = "normal"
    given: tuple[Mapping[str, Any], ...]
    expect: tuple[Mapping[str, Any], ...]


class Feed(Model):
    """What one consumer gets. Its Kafka topic is `feed.<consumer>.<feed>`, readable by that consumer alone."""

    feed: Name
    title: Title
    consumer: PartyId
    purpose: Name
    tier: Annotated[int, Field(ge=1, le=4)]
    grant: Grant | None = None
    """Left out, nothing flows until it is asked for and approved: `gebus grant request`."""
    retention: Duration
    partitions: Annotated[int, Field(ge=1, le=100)]
    sources: Annotated[Mapping[FieldName, TopicName], Field(min_length=1)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    corrections: Literal["independent", "follow"]
    """What the consumer hears of a later revision of an entity (source and entity_id).

    independent: each revision is taken on its own. follow: who received a record receives what becomes of it. Promised
    with `follow`, for as long as the feed's topic keeps a record: a higher revision that passes is delivered; one that
    is RETRACTED, or no longer passes a condition, is delivered as RETRACTED, with the fields that the consumer was
    given; a revision that is not above the delivered one, and whatever is retracted that was never delivered, adds
    nothing. Not promised: a retraction after the feed's topic has let go of the record; one that comes under another
    key of its contract than what it retracts, for it lies in another slice. `gebus explain` names such a contract.
    """
    mode: Literal["any", "normal", "emergency"]
    """When its records flow: always; outside every emergency alone; or within one alone, by the record's region and the
    log's time. What they show within one is decided by the policy's lines for an emergency."""
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _approved_by_another(self) -> Feed:
        if self.grant is not None and self.grant.approved_by == self.consumer:
            raise ValueError(f"grant is approved by another party than the consumer, {self.consumer}")
        return self

    @property
    def id(self) -> str:
        return f"{self.consumer}/{self.feed}"

    @property
    def kafka_topic(self) -> str:
        return f"feed.{self.consumer}.{self.feed}"

    @property
    def subject(self) -> str:
        return f"{self.kafka_topic}-value"
