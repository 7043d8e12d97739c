"""Partitions that must not be taken further for now, and the offset at which each will go on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition
from gebus_kernel import Blocked, Kernel

from gebus.lanes.errors import told
from gebus.lanes.ordered import OrderedInputs
from gebus.lanes.places import Lanes, Place, Share, Slice
from gebus.lanes.ports import Consumer
from gebus.lanes.restoring import Refusal
from gebus.lanes.schemas import WriterSchemas

_log = logging.getLogger(__name__)


_RESET = "stop the lanes, choose with `gebus reset-offsets {topic}` where they go on, and start them"
STOPS = {
    "gap": "records that were not taken yet are gone from the log: its retention passed the offset of the lanes; see "
    f"what is lost in its source, {_RESET}",
    "offset_lost": "the group of the lanes has no offset, although records of it were taken: the topic was deleted and "
    f"made anew, or the lanes stood still until Kafka forgot their offsets; {_RESET}",
    "topic_gone": "Kafka has no such topic: it was deleted, or never made; what was delivered stays as it is; run "
    "`gebus apply` to make it",
}
"""Why nobody knows from where to read a partition, and what to do: going on would hide that records were lost."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a partition waits, and the first record that was not taken; below 0 where that is not known."""

    offset: int
    reason: str
    schema_id: int | None


class HeldPartitions:
    """Stops a partition at a record that cannot be taken, and with it what must come after: all others go on.

    A partition is paused at the record; of an ordered share nothing more is released, for what follows in any of its
    topics comes after it. An unknown schema id is asked of the registry, and the partition goes on with the answer. At
    the ceiling of dead letters, and where it is not known any more from where to read, it waits until the worker is
    started again by somebody who has looked.
    """

    def __init__(
        self, lanes: Lanes, consumer: Consumer, kernel: Kernel, schemas: WriterSchemas, ordered: OrderedInputs
    ) -> None:
        self._lanes, self._consumer, self._kernel, self._schemas = lanes, consumer, kernel, schemas
        self._ordered = ordered
        self._holds: dict[Place, Hold] = {}
        self._said: set[tuple[str, str]] = set()
        self.shares: frozenset[Share] = frozenset()
        """The ordered shares of which nothing is released."""

    @property
    def waiting(self) -> bool:
        """Whether any partition waits."""
        return bool(self._holds)

    @property
    def holds(self) -> dict[Place, Hold]:
        """Every partition that waits now."""
        return dict(self._holds)

    def hold(self, place: Place, offset: int, blocked: Blocked) -> None:
        """Stop at the record at `offset`; of an ordered share it was given back already."""
        if not self._is_ordered(place):
            with told(f"pausing {place}"):
                self._consumer.pause([place.kafka()])
                self._consumer.seek(place.kafka(offset))
        self._holds[place] = Hold(offset, blocked.reason, blocked.schema_id)
        self._changed()
        contract = self._lanes.input(place.topic).contract
        if blocked.schema_id is None:
            _log.error(
                "%s stopped at offset %d: too many dead letters (%s); see `gebus dead-letters %s`, then restart",
                place, offset, blocked.reason, contract,
            )  # fmt: skip
        else:
            _log.info("%s waits at offset %d for schema id %d", place, offset, blocked.schema_id)
            self._schemas.ask(self._lanes.input(place.topic).name, blocked.schema_id)

    def stop(self, place: Place, reason: str) -> None:
        """Read no more of a partition, for one of the reasons in STOPS."""
        if self._holds.get(place, Hold(0, "", None)).reason != reason:
            _log.error("%s stopped: %s", place, STOPS[reason].format(topic=place.topic))
        with told(f"pausing {place}"):
            if place in map(Place.of, self._consumer.assignment()):
                self._consumer.pause([place.kafka()])
        self._holds[place] = Hold(-1, reason, None)
        self._changed()

    def refuse(self, places: Iterable[Place], slices: Sequence[Slice], why: Refusal) -> None:
        """Read nothing of a share whose state cannot be restored; what is wrong with many of them is said once."""
        self._holds.update((place, Hold(-1, why.reason, None)) for place in places)
        lanes = ", ".join(owned.lane for owned in slices)
        if (lanes, why.about) not in self._said:
            self._said.add((lanes, why.about))
            _log.error("lane %s stands still, the others go on: %s%s", lanes, why.where, why.about)
        self._changed()

    def drop(self, places: Iterable[Place]) -> None:
        """These partitions went elsewhere, or are read again from where the group stands."""
        for place in places:
            self._holds.pop(place, None)
        self._changed()

    def release(self) -> None:
        """Let the partitions go on whose schema id is known by now."""
        for learnt in self._schemas.answers():
            learnt.teach(self._kernel)
            _log.info("schema id %d of %s: %s", learnt.id, learnt.source, learnt.refused or "known now")
        pinned = self._schemas.pinned
        for place, hold in list(self._holds.items()):
            known = hold.schema_id is not None and (self._lanes.input(place.topic).name, hold.schema_id) in pinned
            if known and (self._is_ordered(place) or self._is_back(place, hold.offset)):
                if not self._is_ordered(place):
                    with told(f"resuming {place}"):
                        self._consumer.resume([place.kafka()])
                del self._holds[place]
        self._changed()

    def positions(self, places: Collection[Place]) -> list[TopicPartition]:
        """Where each of these partitions goes on if taken over now; those that nothing was read of are left out."""
        at = {place: self._ordered.position(place) for place in places if self._is_ordered(place)}
        with told("asking for positions"):
            read = self._consumer.position([place.kafka() for place in places if place not in at])
        at.update((Place.of(position), position.offset) for position in read)
        at.update((place, hold.offset) for place, hold in self._holds.items() if place in at and hold.offset >= 0)
        return [place.kafka(offset) for place, offset in at.items() if offset >= 0]

    def _is_ordered(self, place: Place) -> bool:
        return place.topic in self._lanes.ordered_topics

    def _is_back(self, place: Place, offset: int) -> bool:
        """Whether the seek has been done: seek() returns before, and a position from before it skips the record."""
        (position,) = self._consumer.position([place.kafka()])
        return bool(position.offset <= offset)

    def _changed(self) -> None:
        self.shares = frozenset(self._lanes.share(place) for place in self._holds if self._is_ordered(place))
