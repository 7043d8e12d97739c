"""The order in which the records of several topics are taken: by append time, then topic, then offset.

Kafka gives each partition's records in their order, and the partitions in any order. What a join makes must not depend
on that, so the inputs of an ordered share are merged: a record is released once nothing that comes before it can still
come. That is known of another input in one of three ways:

    it has a record here that is later in the order;
    its last record, taken already, was later in the order: append times of a partition never fall;
    it was read to its end, and the end was asked of the broker after the record had been fetched: whatever is
    appended from then on is appended later.

The end is the high watermark, behind which also lie the records of open transactions: they have their append time
already, and hold the release back until they are decided, for as long as a transaction may take.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any, NamedTuple

from confluent_kafka import Message as KafkaMessage

from gebus.lanes.places import Place
from gebus.lanes.ports import Message

_log = logging.getLogger(__name__)

# Unbound, and mapped over whole lists: a call from a loop of our own would cost a record more than all the rest.
_timestamp: Callable[[Any], tuple[int, int]] = KafkaMessage.timestamp
_milliseconds: Callable[[tuple[int, int]], int] = itemgetter(1)
_NEVER = 1 << 62
"""As an append time: nothing comes any more."""


class End(NamedTuple):
    """What the broker said of an input: what lies at `offset` and behind it was appended at `floor_ms` or later."""

    offset: int
    floor_ms: int


@dataclass(slots=True)
class _Input:
    """One input's records that are not released yet, and what is known of those that are still to come."""

    times: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    size: int = 0
    reached: int = -1
    """All records below this offset have come; -1: nothing is known."""
    released: int = -1
    """All records below this offset are released."""
    floor_ms: int = -1
    """No record appended before this is still to come."""
    end: End | None = None
    """An answer of the broker that counts once its offset is reached."""
    paused: bool = False

    def add(self, messages: Sequence[Message], reached: int) -> None:
        times = list(map(_milliseconds, map(_timestamp, messages)))
        if times[0] < self.floor_ms or times != sorted(times):
            # The broker's clock was set back: the partition's own order counts, and the latest time so far.
            times = list(accumulate(times, max, initial=self.floor_ms))[1:]
        self.times += times
        self.messages += messages
        self.size += _size(messages)
        self.floor_ms = times[-1]
        self.read_to(reached)

    def read_to(self, offset: int) -> None:
        self.reached = max(self.reached, offset)
        if self.end is not None and self.reached >= self.end.offset:
            self.floor_ms = max(self.floor_ms, self.end.floor_ms)
            self.end = None

    def take(self, count: int) -> tuple[list[int], list[Message]]:
        taken = self.times[:count], self.messages[:count]
        del self.times[:count], self.messages[:count]
        self.size -= _size(taken[1])
        self.released = taken[1][-1].offset() + 1
        return taken

    def give_back(self, messages: list[Message]) -> None:
        latest = self.times[0] if self.times else self.floor_ms
        self.times[:0] = [min(message.timestamp()[1], latest) for message in messages]
        self.messages[:0] = messages
        self.size += _size(messages)
        self.released = messages[0].offset()


class Merge:
    """The inputs of one share, merged into one sequence.

    Promised: the sequence depends on what the partitions hold alone, not on when and how it was fetched; an input that
    is silent and read to its end holds nobody up. Not promised: that, where the clocks of several brokers differ, or a
    record has its append time for longer than a millisecond before replicas let it be seen, a record appended meanwhile
    with an earlier time comes before those released; each partition keeps its own order whatever the clocks do. Nor
    that a record of an internal topic stands where its original did: its time is that at which a lane wrote it there,
    which after a long stop of that lane is late.
    """

    def __init__(self, starts: Mapping[Place, int]) -> None:
        """`starts`: where each input is read from, below 0 where that is not known."""
        self._inputs = {place: _Input(reached=start) for place, start in sorted(starts.items())}

    @property
    def holds_records(self) -> bool:
        """Whether any record waits here."""
        return any(one.times for one in self._inputs.values())

    def counts(self) -> dict[Place, int]:
        """How many records of each input wait here."""
        return {place: len(one.times) for place, one in self._inputs.items()}

    @property
    def clock_ms(self) -> int:
        """No record appended before this is still to be released; -1 while nothing is known."""
        return min(one.times[0] if one.times else one.floor_ms for one in self._inputs.values())

    def add(self, place: Place, messages: Sequence[Message]) -> None:
        """Take in records of one input, in their order."""
        late_ms = self._inputs[place].floor_ms - messages[0].timestamp()[1]
        if late_ms > 0:
            _log.warning(
                "%s@%d: appended %d ms before records that were taken already: the broker's clock was set back, or it "
                "showed this record late; replayed, it may stand elsewhere", place, messages[0].offset(), late_ms,
            )  # fmt: skip
        self._inputs[place].add(messages, messages[-1].offset() + 1)

    def read_to(self, place: Place, offset: int) -> None:
        """An input was read to an offset behind its last record: what lies between are marks of transactions."""
        self._inputs[place].read_to(offset)

    def ended(self, place: Place, end: End) -> None:
        """The broker said where an input ends."""
        one = self._inputs[place]
        one.end = end
        one.read_to(one.reached)

    def finished(self, place: Place) -> None:
        """Nothing more will be read of an input."""
        self._inputs[place].floor_ms = _NEVER

    def unsure(self, until_ms: int | None = None) -> list[Place]:
        """The inputs whose end should be asked for: what waits, or `until_ms`, is later than what is known of them."""
        newest = max((one.times[-1] for one in self._inputs.values() if one.times), default=-1)
        until = newest if until_ms is None else until_ms
        return [
            place
            for place, one in self._inputs.items()
            if not one.times and one.floor_ms <= until and one.end is None and one.reached >= 0
        ]

    def release(self, limit: int) -> list[Message]:
        """The next records in the order, `limit` at most; none if it is not known which."""
        inputs = list(self._inputs.values())
        until_ms, last = min((one.floor_ms, number) for number, one in enumerate(inputs))
        # Of the same millisecond only what lies in the topics up to the one that sets the bound.
        counts = [
            (bisect_right if number <= last else bisect_left)(one.times, until_ms) for number, one in enumerate(inputs)
        ]
        if sum(counts) > limit:
            counts = _first(limit, [one.times[: min(count, limit)] for one, count in zip(inputs, counts, strict=True)])
        return _merged([one.take(count) for one, count in zip(inputs, counts, strict=True) if count])

    def give_back(self, messages: Sequence[Message]) -> None:
        """Put the last of the released records back, as if they had not been released."""
        of: dict[Place, list[Message]] = {}
        for message in messages:
            of.setdefault(Place(message.topic(), message.partition()), []).append(message)
        for place, mine in of.items():
            self._inputs[place].give_back(mine)

    def reached(self, place: Place) -> int:
        """All records of an input below this offset have come; below 0 where that is not known."""
        return self._inputs[place].reached

    def position(self, place: Place) -> int:
        """The first offset that is not released; below 0 where nothing was."""
        one = self._inputs[place]
        return one.messages[0].offset() if one.messages else one.released

    def too_far(self, records: int, size: int) -> list[Place]:
        """The inputs that have just run too far ahead, more than so many records or bytes: not to be read for now."""
        return self._switch(paused=True, which=lambda one: len(one.times) > records or one.size > size)

    def caught_up(self, records: int, size: int) -> list[Place]:
        """Those of them that may be read again: at a quarter, for the client drops what it has fetched of a pause."""
        return self._switch(
            paused=False, which=lambda one: 4 * len(one.times) <= records and (4 * one.size <= size or not one.times)
        )

    def _switch(self, *, paused: bool, which: Callable[[_Input], bool]) -> list[Place]:
        found = [
            place
            for place, one in self._inputs.items()
            if one.paused is not paused and one.floor_ms < _NEVER and which(one)
        ]
        for place in found:
            self._inputs[place].paused = paused
        return found


def _size(messages: Iterable[Any]) -> int:
    return sum(map(len, messages))


def _first(limit: int, times: Sequence[list[int]]) -> list[int]:
    """How many of each list are among the first `limit` of all, in the order of time and then of the lists."""
    last_ms = sorted(chain.from_iterable(times))[limit - 1]
    counts = [bisect_left(one, last_ms) for one in times]
    left = limit - sum(counts)
    for number, one in enumerate(times):
        more = min(left, bisect_right(one, last_ms) - counts[number])
        counts[number], left = counts[number] + more, left - more
    return counts


def _merged(parts: list[tuple[list[int], list[Message]]]) -> list[Message]:
    """One list, by time, then topic, then offset: sorting is stable, and the parts stand in order of their topics."""
    if len(parts) == 1:
        return parts[0][1]
    times = list(chain.from_iterable(times for times, _ in parts))
    messages = list(chain.from_iterable(messages for _, messages in parts))
    return list(map(messages.__getitem__, sorted(range(len(times)), key=times.__getitem__)))
