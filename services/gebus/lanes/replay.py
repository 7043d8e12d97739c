"""A lane once more over its log, into nothing but what the caller does with it.

What a lane reads is all there is to know of it: its contracts' topics, and the internal topics that other lanes wrote
for it, in the order that the lane took them in. So these are read, the internal ones as they are, and not what they
were made of: the moment when a copy was written, which decides what a record meets, is in them alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from gebus_kernel import Kernel, Step

from gebus.lanes.errors import told
from gebus.lanes.log import is_end
from gebus.lanes.order import Merge
from gebus.lanes.ordered import runs, slow_down
from gebus.lanes.places import Place
from gebus.lanes.ports import Consumer, Message
from gebus.model.errors import Stopped, Unavailable
from gebus.plan import FeedPlan, LanePlan

_BATCH = 1_000
_AHEAD_RECORDS, _AHEAD_BYTES = 20_000, 16 << 20
_WAIT, _SILENT_WAITS = 0.5, 20
_ANSWER = 10.0
_WITHOUT_LIMIT = 2**31 - 1


def unlimited(plan: LanePlan) -> LanePlan:
    """The plan without ceilings of dead letters: where the live lane stopped at one, people have looked since."""
    return replace(plan, inputs=tuple(replace(one, in_a_row=_WITHOUT_LIMIT, ratio=1.0) for one in plan.inputs))


@dataclass(frozen=True, slots=True)
class Span:
    """From which append time a replay reads, None for the beginning of the log, and when it was begun."""

    from_ms: int | None
    until_ms: int


def replay(
    plan: LanePlan, feed: FeedPlan, kernel: Kernel, consumer: Consumer, span: Span
) -> Iterator[list[dict[str, Any]]]:
    """What the lane delivers to a feed, a slice at a time, as `Producer.produce_batch` takes it.

    Promised: the committed records of the lane's inputs from the span's beginning to their ends as they are found, in
    the order of append time, topic and offset in each slice; nothing is written anywhere, and the group's offsets, the
    states and the accounts stay as they are. Not promised: what the lane remembered from before the span; choose the
    beginning, or a time that lies longer back than the steps remember, to see what the feed has. Nor one moment for all
    slices, while parties publish.
    """
    for number in range(plan.partitions):
        kernel.open(plan.name, number)
        try:
            yield from _slice(plan, feed, kernel, _Inputs(consumer, plan, number), span)
        finally:
            kernel.close(plan.name, number)


def _slice(
    plan: LanePlan, feed: FeedPlan, kernel: Kernel, inputs: _Inputs, span: Span
) -> Iterator[list[dict[str, Any]]]:
    for batch in inputs.read(span.from_ms):
        step, taken = kernel.step(batch), batch
        for blocked in step.blocked:
            if blocked.reason == "batch_full":  # what came before it made much; it is the next
                taken = batch[: blocked.index]
                inputs.give_back(batch[blocked.index :])
                continue
            message = batch[blocked.index]
            raise Stopped(
                f"{message.topic()}/{message.partition()} at offset {message.offset()}: {blocked.reason}"
                f"{'' if blocked.schema_id is None else f', schema id {blocked.schema_id}'}: the registry does not "
                "know how to read what the live lane read; bring the schema back, then replay again"
            )
        yield from _delivered(step, feed)
        kernel.commit(span.until_ms)
        if taken:
            kernel.advance(plan.name, inputs.number, taken[-1].timestamp()[1])
    while plan.ordered and (due := kernel.tick(plan.name, inputs.number, span.until_ms)).outputs:
        yield from _delivered(due, feed)
        kernel.commit(span.until_ms)


def _delivered(step: Step, feed: FeedPlan) -> Iterator[list[dict[str, Any]]]:
    return (records for topic, records in step.outputs if topic == feed.topic)


class _Inputs:
    """The inputs of one slice, merged: bounded memory, however long the log is."""

    def __init__(self, consumer: Consumer, plan: LanePlan, number: int) -> None:
        self._consumer, self.number = consumer, number
        self._places = {Place(topic, number) for one in plan.inputs for topic in one.topics}
        self._merge = Merge(dict.fromkeys(self._places, -1))
        self._left: set[Place] = set()
        self._ends: dict[Place, int] = {}

    def read(self, from_ms: int | None) -> Iterator[list[Message]]:
        """All records in their order, in batches."""
        self._begin(from_ms)
        silent = 0
        while self._left or self._merge.holds_records:
            batch = self._merge.release(_BATCH)
            if batch:
                yield batch
                slow_down(self._consumer, self._merge, _AHEAD_RECORDS, _AHEAD_BYTES)
                continue
            with told("reading"):
                messages = self._consumer.consume(_BATCH, _WAIT)
            silent = 0 if messages else silent + 1
            if silent >= _SILENT_WAITS:
                raise Unavailable(
                    f"nothing came of {min(self._left)} for {_WAIT * _SILENT_WAITS:g} s, and its end was not reached; "
                    "an open transaction may hold it back"
                )
            self._take(messages)
            slow_down(self._consumer, self._merge, _AHEAD_RECORDS, _AHEAD_BYTES)

    def give_back(self, messages: Sequence[Message]) -> None:
        """The last ones of a batch were not taken: they are the next."""
        self._merge.give_back(messages)

    def _begin(self, from_ms: int | None) -> None:
        with told("asking where the inputs begin and end"):
            for place in self._places:
                found = self._consumer.get_watermark_offsets(place.kafka(), timeout=_ANSWER)
                if found is None:
                    raise Unavailable(f"Kafka does not say where {place} ends; `gebus status` shows whether it runs")
                first, end = found
                self._ends[place] = end
                if first < end:
                    self._left.add(place)
            starts = self._starts(from_ms)
        for place in self._places - self._left:
            self._finish(place)
        with told("beginning to read"):
            self._consumer.assign(starts)

    def _starts(self, from_ms: int | None) -> list[TopicPartition]:
        if from_ms is None:
            return [place.kafka(OFFSET_BEGINNING) for place in sorted(self._left)]
        asked = [place.kafka(from_ms) for place in sorted(self._left)]
        found = self._consumer.offsets_for_times(asked, timeout=_ANSWER) if asked else []
        starts = [one for one in found if one.offset >= 0]
        self._left = {Place.of(one) for one in starts}  # all the others end before that time
        return starts

    def _take(self, messages: Sequence[Message]) -> None:
        good = [one for one in messages if one.error() is None]
        for topic, partition, run in runs(good) if good else ():
            place = Place(topic, partition)
            if place in self._left:
                self._add(place, [one for one in run if one.offset() < self._ends[place]])
                if run[-1].offset() + 1 >= self._ends[place]:
                    self._leave(place)
        for message in messages:
            if message.error() is not None and is_end(message):
                self._leave(Place(message.topic(), message.partition()))

    def _add(self, place: Place, run: Sequence[Message]) -> None:
        if run:
            self._merge.add(place, run)

    def _leave(self, place: Place) -> None:
        """It was read as far as is wanted."""
        with told(f"pausing {place}"):
            self._consumer.pause([place.kafka()])
        self._finish(place)

    def _finish(self, place: Place) -> None:
        """Nothing more is wanted of an input."""
        self._left.discard(place)
        self._merge.finished(place)
