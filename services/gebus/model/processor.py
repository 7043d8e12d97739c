"""A processor: a program of the bus that reads a feed and publishes what it concludes from it."""

from __future__ import annotations

from gebus.model.base import Model, Name, PartyId, Title, TopicName

PROCESSOR_PREFIX = "gebus.processor."
"""Kafka topics of processors' state begin so; each is written and read by the processor's party alone."""


class Processor(Model):
    """What one processor reads, and what it publishes, as which party. What it does is code: `gebus.processors`.

    `reads` is a feed of the party, `publishes` a topic contract that names the party among its publishers.
    """

    processor: Name
    title: Title
    party: PartyId
    reads: Name
    publishes: TopicName

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
