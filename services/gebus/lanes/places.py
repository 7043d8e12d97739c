"""Where a worker reads: lanes by their topics, slices of lanes, and what moves between workers as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import OFFSET_INVALID, TopicPartition

from gebus.lanes.settings import state_topic
from gebus.model.errors import Stopped
from gebus.plan import InputPlan, LanePlan


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


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """Slice `number` of every lane of a group: the lanes that read common topics, directly or through others.

    It moves, is restored and is read as one, so that a record is fetched and walked once for all its lanes.
    """

    group: int
    number: int


class Lanes:
    """The lanes that a worker runs, looked up by topic."""

    def __init__(self, plans: Sequence[LanePlan]) -> None:
        if not plans:
            raise Stopped("the catalogue has no feed, so that there is no lane to run; add a feed under feeds/")
        self.plans = tuple(plans)
        self.inputs = {one.name: one for plan in plans for one in plan.inputs}
        """Every input of every lane, by name."""
        self._by_topic = {topic: one for one in self.inputs.values() for topic in one.topics}
        self._groups = _groups(plans)
        self._group_of = {
            topic: number for number, group in enumerate(self._groups) for plan in group for topic in _topics(plan)
        }
        ordered = {number for number, group in enumerate(self._groups) if any(plan.ordered for plan in group)}
        self.ordered_topics = frozenset(topic for topic, number in self._group_of.items() if number in ordered)
        """The topics whose records are taken in the order of the log's time over all topics of their group."""

    @property
    def topics(self) -> list[str]:
        """Every topic that is read, in order."""
        return sorted(self._by_topic)

    def input(self, topic: str) -> InputPlan:
        """The input that a topic belongs to."""
        return self._by_topic[topic]

    def share(self, place: Place) -> Share:
        """What a partition of a topic belongs to."""
        return Share(self._group_of[place.topic], place.partition)

    def places(self, share: Share) -> frozenset[Place]:
        """Every partition that a share reads."""
        return frozenset(Place(topic, share.number) for plan in self._groups[share.group] for topic in _topics(plan))

    def slices(self, share: Share) -> tuple[Slice, ...]:
        """The slices that a share is made of."""
        return tuple(Slice(plan.name, share.number) for plan in self._groups[share.group])

    def is_ordered(self, share: Share) -> bool:
        """Whether its records are taken in the order of the log's time."""
        return any(plan.ordered for plan in self._groups[share.group])


def kafka(places: Iterable[Place]) -> list[TopicPartition]:
    """Places as confluent-kafka takes them, in order."""
    return [place.kafka() for place in sorted(places)]


def _topics(plan: LanePlan) -> Iterable[str]:
    return (topic for one in plan.inputs for topic in one.topics)


def _groups(plans: Sequence[LanePlan]) -> list[list[LanePlan]]:
    """The plans by what connects them: each plan joins, and so unites, the groups that read one of its topics."""
    groups: list[tuple[set[str], list[LanePlan]]] = []
    for plan in plans:
        topics = set(_topics(plan))
        met = [group for group in groups if not topics.isdisjoint(group[0])]
        groups = [group for group in groups if topics.isdisjoint(group[0])]
        groups.append((topics.union(*(group[0] for group in met)), [*(one for group in met for one in group[1]), plan]))
    return [sorted(group, key=lambda plan: plan.name) for _, group in groups]
