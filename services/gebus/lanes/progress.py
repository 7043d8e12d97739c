"""How far each input has been read, and how old what it holds is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from gebus.lanes.places import Place
from gebus.lanes.ports import Clock, Consumer, Message

_SAMPLES = 64
_UNDER_WAY_MS = 60_000
"""An input that seems caught up may have records under way that are this much older than the newest seen elsewhere."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What is still to be read of one partition; `seconds` is 0 when caught up, and None where nothing was read yet."""

    records: int
    seconds: float | None


class Progress:
    """The append times of what was read, sampled: looking at every record would cost more than it tells.

    Promised: what `clock_ms` returns is never later than an append time that is still to come. Not promised: that
    it is the latest such time.
    """

    def __init__(self, consumer: Consumer, clock: Clock, starts: Mapping[Place, int]) -> None:
        self._consumer, self._clock, self._starts = consumer, clock, starts
        self._newest: dict[Place, int] = {}

    def saw(self, messages: Sequence[Message]) -> None:
        """Note a batch."""
        for message in (*messages[:: max(1, len(messages) // _SAMPLES)], messages[-1]):
            self._newest[Place(message.topic(), message.partition())] = message.timestamp()[1]

    def lags(self, places: Collection[Place], positions: Iterable[TopicPartition]) -> dict[Place, Lag]:
        """The lag of each partition; those whose end the client does not know yet are left out."""
        found: dict[Place, Lag] = {}
        read = {Place.of(position): position.offset for position in positions}
        for place in places:
            ends = self._consumer.get_watermark_offsets(place.kafka(), cached=True)
            if ends is None or ends[1] < 0:
                continue
            # A partition that nothing was read of since it came here stands where the group's offset stands.
            at = read.get(place, self._starts.get(place, -1))
            records = max(0, ends[1] - (at if at >= 0 else ends[0]))
            newest = self._newest.get(place)
            age = None if newest is None else max(0.0, (self._clock.now_ms() - newest) / 1000)
            found[place] = Lag(records, age if records else 0.0)
        return found

    def clock_ms(self, places: Collection[Place], positions: Iterable[TopicPartition]) -> int | None:
        """The append time that no record to come lies before, by the inputs of one slice; None if it is not known."""
        lags = self.lags(places, positions)
        behind = {place for place in places if place not in lags or lags[place].records}
        if behind:
            seen = [self._newest.get(place) for place in behind]
            return None if None in seen else min(time for time in seen if time is not None)
        newest = [self._newest[place] for place in places if place in self._newest]
        return max(newest) - _UNDER_WAY_MS if newest else None
