"""A processor: a program of the bus that reads a feed and publishes what it concludes from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gebus.model.base import FieldName, Model, Name, PartyId, Title, TopicName

PROCESSOR_PREFIX = "gebus.processor."
"""Kafka topics of processors' state begin so; each is written and read by the processor's party alone."""


class Counts(Model):
    """That each event is a count of people or things, and how many there are behind it at least.

    Offices of statistics publish no cell with fewer than three to ten behind it.
    """

    field: FieldName
    """The field of the event, an int or a long, that says how many."""
    at_least: Annotated[int, Field(ge=5)]


class Processor(Model):
    """What one processor reads, and what it publishes, as which party. What it does is code: `gebus.processors`.

    `reads` is a feed of the party, `publishes` a topic contract that names the party among its publishers. What is
    derived has the highest class of what it was derived from: an event with a field of that level. Only a count may be
    of a lower one, and then, where there are too few behind an event, it is not published.
    """

    processor: Name
    title: Title
    party: PartyId
    reads: Name
    publishes: TopicName
    counts: Counts | None = None
    """What excuses a lower class; None: nothing does."""

    @property
    def feed(self) -> str:
        """The feed's id, `<consumer>/<feed>`."""
        return f"{self.party}/{self.reads}"

    @property
    def group(self) -> str:
        """The consumer group; like all groups of a party it begins with the party's id."""
        return f"{self.party}.{self.processor}"

    @property
    def state_topic(self) -> str:
        """The Kafka topic of its state; it has as many partitions as the feed."""
        return f"{PROCESSOR_PREFIX}{self.processor}.state"
