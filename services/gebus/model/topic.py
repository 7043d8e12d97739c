"""A topic contract: what one kind of event is, and who may publish it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gebus.model.base import Duration, FieldName, Model, PartyId, Title, TopicName
from gebus.model.sharing import STRICT, Sharing


class Standard(Model):
    """The statistical standard of a series (domain M20): two series join or add only where these agree."""

    scope: str
    method: str
    dimension: str
    interval: str
    level: str


class EventTime(Model):
    """How far `occurred_at` may lie from the log's append time; a record beyond is a dead letter."""

    past: Duration
    future: Duration


class DeadLetterLimit(Model):
    """The ceiling above which a slice stops rather than fill the dead-letter topic.

    `in_a_row`: so many dead letters without one good record between. `ratio`: that share of the last 1,000 records.
    """

    in_a_row: Annotated[int, Field(ge=1)]
    ratio: Annotated[float, Field(gt=0, le=1)]


class TopicContract(Model):
    """What one kind of event is: schema, owner, publishers, key, standard, retention, examples.

    Every publisher has its own Kafka topic `<topic>.<party>`, all with `partitions` partitions and the same key,
    so that equal keys of all publishers meet in one slice.
    """

    topic: TopicName
    title: Title
    event: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """The event schema: `events/<domain>/<event>.avsc`."""
    owner: PartyId
    publishers: Annotated[tuple[PartyId, ...], Field(min_length=1)]
    key: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    partitions: Annotated[int, Field(ge=1, le=1000)]
    compatibility: Literal[
        "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"
    ]
    retention: Duration
    event_time: EventTime
    dead_letters: DeadLetterLimit
    standard: Standard | None
    """Written out as `null` where the event is no statistical series."""
    sharing: Sharing = STRICT
    """Who decides on a request for it. Left out it is the strictest that can still be granted."""
    examples: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files below `examples/<topic>/`."""

    @property
    def domain(self) -> str:
        return self.topic.partition(".")[0]

    @property
    def subject(self) -> str:
        """The registry's subject of the event schema."""
        return f"{self.topic}-value"

    @property
    def dead_letter_topic(self) -> str:
        return f"dead.{self.topic}"

    def kafka_topic(self, party: str) -> str:
        """The Kafka topic that `party`, and it alone, writes."""
        return f"{self.topic}.{party}"
