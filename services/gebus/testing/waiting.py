"""What waits to be taken, in the order in which a worker takes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gebus.plan import LanePlan
from gebus.testing.messages import FakeMessage

Place = tuple[str, int, int]
"""Kafka topic, partition, offset."""


def place_of(message: FakeMessage) -> Place:
    return message.topic(), message.partition(), message.offset()


@dataclass(frozen=True, slots=True)
class Group:
    """Lanes that share Kafka topics, so that each slice of all of them is taken together."""

    topics: frozenset[str]
    ordered: bool


def groups_of(lanes: Sequence[LanePlan]) -> list[Group]:
    """The groups of some lanes; a group is ordered if one of its lanes is."""
    groups: list[Group] = []
    for lane in lanes:
        topics = frozenset(topic for part in lane.inputs for topic in part.topics)
        touched = [group for group in groups if group.topics & topics]
        groups = [group for group in groups if group not in touched]
        ordered = lane.ordered or any(group.ordered for group in touched)
        groups.append(Group(topics.union(*(group.topics for group in touched)), ordered))
    return groups


class Waiting:
    """The records that were published and not yet taken.

    Promised: each partition in the order of its offsets; in an ordered group each slice by append time, topic and
    offset; elsewhere as it was published.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._messages: list[FakeMessage] = []
        self._arrival: dict[Place, int] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def group_of(self, message: FakeMessage) -> Group:
        return next(group for group in self._groups if message.topic() in group.topics)

    def add(self, message: FakeMessage) -> None:
        """A record that was just published."""
        self._arrival[place_of(message)] = len(self._arrival)
        self._messages.append(message)

    def put_back(self, messages: Iterable[FakeMessage]) -> None:
        """Records that were taken in vain."""
        self._messages = sorted([*messages, *self._messages], key=lambda message: self._arrival[place_of(message)])

    def take(self, limit: int | None) -> list[FakeMessage]:
        """The next records, at most `limit`."""
        taken = self.in_order()[:limit]
        places = {place_of(message) for message in taken}
        self._messages = [message for message in self._messages if place_of(message) not in places]
        return taken

    def in_order(self) -> list[FakeMessage]:
        """All of them, as they would be taken."""
        result: list[FakeMessage] = []
        for group in self._groups:
            messages = [message for message in self._messages if message.topic() in group.topics]
            result += _merged(messages) if group.ordered else messages
        return result

    def any_of(self, topics: Iterable[str], slice_number: int) -> bool:
        """Whether a record of these topics waits in a slice."""
        return any(message.partition() == slice_number and message.topic() in set(topics) for message in self._messages)


def _merged(messages: Sequence[FakeMessage]) -> list[FakeMessage]:
    """Of the heads of all partitions always the earliest: append times may fall within a partition."""
    queues: dict[tuple[str, int], list[FakeMessage]] = {}
    for message in messages:
        queues.setdefault((message.topic(), message.partition()), []).append(message)
    heads = [sorted(queue, key=FakeMessage.offset, reverse=True) for queue in queues.values()]
    result = []
    while heads := [queue for queue in heads if queue]:
        result.append(min(heads, key=lambda queue: (queue[-1].timestamp()[1], *_by_name(queue[-1]))).pop())
    return result


def _by_name(message: FakeMessage) -> tuple[str, int, int]:
    return message.topic(), message.offset(), message.partition()
