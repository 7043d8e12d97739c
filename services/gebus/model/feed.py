"""A feed: what one consumer gets, as sources and named steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from gebus.model.base import Day, Duration, FieldName, Model, Name, PartyId, Title, TopicName


class Deduplicate(Model):
    """Pass the first record of each key; drop repeats while the key is remembered.

    Promised: a record whose key was seen less than `within` before, by the log's append time, adds nothing, over any
    crash, rebalance or replay. Not promised: after `within`, and at most an eighth of it later, the key counts as new.
    """

    name: Name
    of: FieldName
    key: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    within: Duration


class Where(Model):
    """Pass the records for which the CEL condition `when` holds.

    A condition that is left undecided, by a null field, an overflow or a division by zero, does not hold. Not
    promised: the order in which parts of the condition are evaluated.
    """

    name: Name
    when: Annotated[str, Field(min_length=1, max_length=4096)]


class PartialMask(Model):
    first: Annotated[int, Field(ge=0, le=64)]
    last: Annotated[int, Field(ge=0, le=64)]


class GeneraliseMask(Model):
    """Exactly one of: division, date, instant, band."""

    division: Literal["province", "city", "county"] | None = None
    date: Literal["month", "year"] | None = None
    instant: Literal["day", "month", "year"] | None = None
    band: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _one(self) -> GeneraliseMask:
        if sum(part is not None for part in (self.division, self.date, self.instant, self.band)) != 1:
            raise ValueError("generalise takes exactly one of division, date, instant, band")
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


class SelectStep(Model):
    select: Select


_STEPS: Mapping[str, type[Model]] = {"deduplicate": DeduplicateStep, "where": WhereStep, "select": SelectStep}


def _kind_of_step(value: object) -> str | None:
    """The one key of a step; None, which is an error, for anything else."""
    if isinstance(value, Mapping):
        return next(iter(value)) if len(value) == 1 else None
    return next((kind for kind, step in _STEPS.items() if isinstance(value, step)), None)


Step = Annotated[
    Annotated[DeduplicateStep, Tag("deduplicate")]
    | Annotated[WhereStep, Tag("where")]
    | Annotated[SelectStep, Tag("select")],
    Discriminator(_kind_of_step),
]


class Grant(Model):
    """The approved permission behind a feed. After `expires_on` (00:00 UTC, by log time) its records are withheld."""

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
    given: tuple[Mapping[str, Any], ...]
    expect: tuple[Mapping[str, Any], ...]


class Feed(Model):
    """What one consumer gets. Its Kafka topic is `feed.<consumer>.<feed>`, readable by that consumer alone."""

    feed: Name
    title: Title
    consumer: PartyId
    purpose: Name
    tier: Annotated[int, Field(ge=1, le=4)]
    grant: Grant
    retention: Duration
    partitions: Annotated[int, Field(ge=1, le=100)]
    sources: Annotated[Mapping[FieldName, TopicName], Field(min_length=1)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    corrections: Literal["independent"]
    """independent: each revision of an entity is matched on its own."""
    mode: Literal["any"]
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]

    @property
    def id(self) -> str:
        return f"{self.consumer}/{self.feed}"

    @property
    def kafka_topic(self) -> str:
        return f"feed.{self.consumer}.{self.feed}"

    @property
    def subject(self) -> str:
        return f"{self.kafka_topic}-value"
