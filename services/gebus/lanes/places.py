"""Where a worker reads: lanes by their topics, and slices by their inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import OFFSET_INVALID, TopicPartition

from gebus.lanes.settings import state_topic
from gebus.model.errors import Stopped
from gebus.plan import LanePlan


class Place(NamedTuple):
    """One partition of one Kafka topic."""

    topic: str
    partition: int

    @classmethod
    def of(cls, partition: TopicPartition) -> Place:
        return cls(partition.topic, partition.partition)

    def kafka(self, offset: int = OFFSET_INVALID) -> TopicPartition:
        """The same for confluent-kafka, at an offset if one is given."""
        return TopicPartition(self.topic, self.partition, offset)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """Partition `number` of all inputs of a lane, with its state."""

    lane: str
    number: int

    @property
    def state(self) -> Place:
        """Where its state is written."""
        return Place(state_topic(self.lane), self.number)

    def __str__(self) -> str:
        return f"{self.lane}/{self.number}"


class Lanes:
    """The lanes that a worker runs, looked up by topic."""

    def __init__(self, plans: Sequence[LanePlan]) -> None:
        if not plans:
            raise Stopped("the catalogue has no feed, so that there is no lane to run; add a feed under feeds/")
        self.plans = tuple(plans)
        self._by_topic = {topic: plan for plan in plans for topic in plan.source.topics}
        self._by_name = {plan.name: plan for plan in plans}

    @property
    def topics(self) -> list[str]:
        """Every source topic, in order."""
        return sorted(self._by_topic)

    def source(self, topic: str) -> str:
        """The topic contract of a source topic."""
        return self._by_topic[topic].source.name

    def slice(self, place: Place) -> Slice:
        """The slice that a partition of a source topic belongs to."""
        return Slice(self._by_topic[place.topic].name, place.partition)

    def inputs(self, owned: Slice) -> frozenset[Place]:
        """Every partition that a slice reads."""
        return frozenset(Place(topic, owned.number) for topic in self._by_name[owned.lane].source.topics)


def kafka(places: Iterable[Place]) -> list[TopicPartition]:
    """Places as confluent-kafka takes them, in order."""
    return [place.kafka() for place in sorted(places)]
