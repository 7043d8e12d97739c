"""Which state belongs to the group's offsets: each committed offset carries the ids of the topics of its lanes' states.

Kafka gives a topic that is deleted and made anew another id. Without the mark such a topic would look like the state of
a lane that has just begun: the lanes would go on at their offsets with nothing remembered, and deliver repeats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from confluent_kafka import TopicPartition

from gebus.lanes.places import Lanes, Place
from gebus.lanes.settings import GROUP, state_topic
from gebus.model.errors import Stopped


class StateMarks:
    """Writes and checks the marks of one session.

    Promised: no slice goes on at an offset whose state's topic was deleted since. Not promised: anything of a lane that
    an offset carries no mark of, such as one that is new, or of an offset that people have set: it begins with what
    its topic holds.
    """

    def __init__(self, lanes: Lanes, topic_ids: Mapping[str, str]) -> None:
        self._names = {plan.name: _short(plan.name) for plan in lanes.plans}
        self._lanes_of: dict[str, list[str]] = {}
        for plan in lanes.plans:
            for topic in (topic for one in plan.inputs for topic in one.topics):
                self._lanes_of.setdefault(topic, []).append(plan.name)
        self._ids = topic_ids
        self._marks = {
            topic: ",".join(f"{self._names[lane]}={topic_ids[lane]}" for lane in sorted(names))
            for topic, names in self._lanes_of.items()
        }

    def on(self, positions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """The positions, marked."""
        return [TopicPartition(one.topic, one.partition, one.offset, self._marks[one.topic]) for one in positions]

    def check(self, committed: TopicPartition) -> None:
        """Stopped if the state that an offset was committed with is not there any more."""
        found = dict(part.split("=", 1) for part in (committed.metadata or "").split(",") if "=" in part)
        for lane in self._lanes_of.get(committed.topic, ()) if committed.offset >= 0 else ():
            if found.get(self._names[lane], self._ids[lane]) != self._ids[lane]:
                raise Stopped(
                    f"{state_topic(lane)} was deleted and made anew since the lanes committed offset "
                    f"{committed.offset} of {Place.of(committed)}: what lane {lane} remembered is gone with it, and to "
                    "go on would deliver again what was delivered; nothing else is lost. Decide where the group "
                    f"{GROUP} goes on with Kafka's `kafka-consumer-groups.sh --reset-offsets`: `--to-current`, and "
                    "what waited for a partner is forgotten, repeats pass; or `--to-earliest`, and all is done again, "
                    "which consumers get a second time. Then start the lanes"
                )


def _short(lane: str) -> str:
    """A mark must fit the few bytes that Kafka keeps with an offset, whatever the lanes are called."""
    return hashlib.sha256(lane.encode()).hexdigest()[:8]
