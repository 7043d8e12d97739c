"""Which state belongs to the group's offsets: each committed offset carries the ids of the topics of its lanes' states.

Kafka gives a topic that is deleted and made anew another id. Without the mark such a topic would look like the state of
a lane that has just begun: the lanes would go on at their offsets with nothing remembered, and deliver repeats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from confluent_kafka import TopicPartition

from gebus.lanes.places import Lanes, Place
from gebus.lanes.restoring import Refusal
from gebus.lanes.settings import state_topic


class StateMarks:
    """Writes and checks the marks of one session.

    Promised: no slice goes on at an offset whose state's topic was deleted since. Not promised: anything of a lane that
    an offset carries no mark of, such as one that is new, or of an offset that people have set: it begins with what
    its topic holds.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._names = {plan.name: _short(plan.name) for plan in lanes.plans}
        self._lanes_of: dict[str, list[str]] = {}
        for plan in lanes.plans:
            for topic in (topic for one in plan.inputs for topic in one.topics):
                self._lanes_of.setdefault(topic, []).append(plan.name)
        self._ids: dict[str, str] = {}
        self._marks: dict[str, str] = {}

    @property
    def unknown(self) -> list[str]:
        """The lanes whose topics there were not, when it was asked last."""
        return [lane for lane in self._names if lane not in self._ids]

    def learn(self, topic_ids: Mapping[str, str]) -> None:
        """The ids of the topics that hold the states, by lane. The first one counts: what the kernel holds is of it."""
        self._ids = {**topic_ids, **self._ids}
        self._marks = {
            topic: ",".join(f"{self._names[lane]}={self._ids[lane]}" for lane in sorted(names))
            for topic, names in self._lanes_of.items()
            if all(lane in self._ids for lane in names)
        }

    def on(self, positions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """The positions, marked."""
        return [TopicPartition(one.topic, one.partition, one.offset, self._marks[one.topic]) for one in positions]

    def refusal(self, lane: str, committed: Iterable[TopicPartition]) -> Refusal | None:
        """Why a slice of this lane must not go on at these offsets; None if it may."""
        topic, there = state_topic(lane), self._ids.get(lane)
        marked = [one for one in committed if self._mark(one, lane) not in {None, there}]
        if there is None and not marked:
            return Refusal(
                "state_missing",
                f"Kafka has no topic {topic}, in which lane {lane} keeps what it remembers; run `gebus apply`, which "
                "makes it, and the lane begins by itself",
            )
        if there is None:
            return Refusal(
                "state_missing",
                f"the topic {topic} was deleted, and with it what lane {lane} remembered and counted; consumers keep "
                f"what they have. Run `gebus apply`, which makes it anew, then stop the lanes, choose with "
                f"`gebus reset-offsets {lane}` where they go on, and start them",
            )
        if marked:
            return Refusal(
                "state_lost",
                f"{topic} was deleted and made anew since the lanes committed offset {marked[0].offset} of "
                f"{Place.of(marked[0])}: what lane {lane} remembered and counted is gone with it, and to go on would "
                "deliver again what was delivered; consumers keep what they have. Stop the lanes, choose with "
                f"`gebus reset-offsets {lane}` where they go on, and start them",
            )
        return None

    def _mark(self, committed: TopicPartition, lane: str) -> str | None:
        if committed.offset < 0 or lane not in self._lanes_of.get(committed.topic, ()):
            return None
        found = dict(part.split("=", 1) for part in (committed.metadata or "").split(",") if "=" in part)
        return found.get(self._names[lane])


def unmarked(metadata: str, lane: str) -> str:
    """What was committed with an offset, without the mark of a lane."""
    return ",".join(part for part in metadata.split(",") if part.partition("=")[0] != _short(lane))


def _short(lane: str) -> str:
    """A mark must fit the few bytes that Kafka keeps with an offset, whatever the lanes are called."""
    return hashlib.sha256(lane.encode()).hexdigest()[:8]
