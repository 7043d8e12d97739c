"""The state of a slice, read back from the log before the slice is worked on.

A slice is restored up to the point where its committed offsets and its state agree. Three steps, in this order:

    1  the group says the committed offsets of all inputs, stable: no transaction is open that holds one of them
    2  only then does reading begin, so that the end of the log that a fetch tells holds every record of every
       transaction whose offsets step 1 saw
    3  reading goes on until the committed end of the log is that end: each of those transactions is decided by now

Were 2 before 1, a dead owner's transaction could commit between them: its offsets would count, its state would be
missing, and the ids in it would be delivered again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from gebus_kernel import Kernel

from gebus.lanes.errors import SessionEnded, in_our_words, told
from gebus.lanes.log import is_end
from gebus.lanes.places import Place, Slice, kafka
from gebus.lanes.ports import Clock, Consumer, Message
from gebus.lanes.settings import LaneSettings
from gebus.model.errors import Stopped

_log = logging.getLogger(__name__)
_BATCH = 500
_WAITING = frozenset({KafkaError._TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT})


@dataclass(slots=True)
class _Progress:
    inputs: frozenset[Place]
    moved_at: float
    records: int = 0
    size: int = 0


class Restorer:
    """Restores slices a little at a time, so that the live ones go on meanwhile.

    Promised: a slice that `some` returns holds in the kernel exactly what was committed. Not promised: how long it
    takes; without progress for the restore timeout it raises.
    """

    def __init__(
        self,
        kernel: Kernel,
        source: Consumer,
        open_reader: Callable[[], Consumer],
        clock: Clock,
        settings: LaneSettings,
    ) -> None:
        self._kernel, self._source, self._open_reader = kernel, source, open_reader
        self._clock, self._settings = clock, settings
        self._reader: Consumer | None = None
        self._unsettled: dict[Slice, _Progress] = {}
        self.starts: dict[Place, int] = {}
        """The committed offset of every input of every slice restored so far; below 0 where there is none."""
        self._reading: dict[Slice, _Progress] = {}

    @property
    def pending(self) -> bool:
        return bool(self._unsettled or self._reading)

    def begin(self, owned: Slice, inputs: Iterable[Place]) -> None:
        """Start to restore a slice whose inputs are all assigned here."""
        self._unsettled[owned] = _Progress(frozenset(inputs), self._clock.monotonic())

    def drop(self, owned: Slice) -> None:
        """The slice went elsewhere; what was restored of it is forgotten."""
        self._unsettled.pop(owned, None)
        if self._reading.pop(owned, None) is not None:
            self._kernel.close(owned.lane, owned.number)
            if self._reader is not None:
                self._reader.incremental_unassign([owned.state.kafka()])

    def some(self, seconds: float) -> list[Slice]:
        """Work for about so long; returns the slices that are now complete."""
        self._settle(seconds)
        done = self._read(seconds) if self._reading else []
        self._check_progress()
        if not self.pending:
            self.close()
        return done

    def close(self) -> None:
        """Close the reader; safe to call twice."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _settle(self, seconds: float) -> None:
        """Step 1, for all slices that wait for it, and the start of step 2."""
        if not self._unsettled:
            return
        inputs = {place for progress in self._unsettled.values() for place in progress.inputs}
        try:
            offsets = self._source.committed(kafka(inputs), timeout=seconds)
        except KafkaException as error:
            if error.args[0].code() not in _WAITING:
                raise in_our_words(error.args[0], "asking for committed offsets") from error
            return
        unstable = {Place.of(offset) for offset in offsets if _still_open(offset)}
        self.starts.update((Place.of(offset), offset.offset) for offset in offsets)
        for owned, progress in list(self._unsettled.items()):
            if progress.inputs.isdisjoint(unstable):
                del self._unsettled[owned]
                self._kernel.open(owned.lane, owned.number)
                self._reading[owned] = progress
                progress.moved_at = self._clock.monotonic()
                with told(f"beginning to read {owned.state}"):
                    self._open().incremental_assign([owned.state.kafka(OFFSET_BEGINNING)])

    def _open(self) -> Consumer:
        if self._reader is None:
            self._reader = self._open_reader()
        return self._reader

    def _read(self, seconds: float) -> list[Slice]:
        by_place = {owned.state: owned for owned in self._reading}
        done: list[Slice] = []
        for message in self._open().consume(_BATCH, seconds):
            owned = by_place.get(Place(message.topic(), message.partition()))
            if message.error() is not None:
                self._end_of_log(message, owned, done)
            elif owned is not None and owned in self._reading:
                self._take(owned, message)
        return done

    def _take(self, owned: Slice, message: Message) -> None:
        key, value = message.key() or b"", message.value() or b""
        try:
            self._kernel.restore(owned.lane, owned.number, key, value)
        except ValueError as error:
            raise Stopped(
                f"the state of slice {owned} cannot be restored: {owned.state} at offset {message.offset()}: {error}; "
                "it was written by another version of gebus, or not by gebus"
            ) from error
        progress = self._reading[owned]
        progress.records += 1
        progress.size += len(value)
        progress.moved_at = self._clock.monotonic()

    def _end_of_log(self, message: Message, owned: Slice | None, done: list[Slice]) -> None:
        if not is_end(message) or owned is None or owned not in self._reading:
            return
        # The committed end was reached. Beyond it, up to the end of the log, lies at most an undecided transaction.
        ends = self._open().get_watermark_offsets(owned.state.kafka(), cached=True)
        if ends is None or ends[1] > message.offset():
            return
        progress = self._reading.pop(owned)
        self._open().incremental_unassign([owned.state.kafka()])
        level = logging.INFO if progress.records else logging.DEBUG
        _log.log(level, "slice %s restored: %d records, %d bytes", owned, progress.records, progress.size)
        done.append(owned)

    def _check_progress(self) -> None:
        now = self._clock.monotonic()
        for owned, progress in (*self._unsettled.items(), *self._reading.items()):
            if now - progress.moved_at > self._settings.restore_timeout:
                raise SessionEnded(
                    f"slice {owned} could not be restored: nothing came for {self._settings.restore_timeout:g} s, "
                    f"after {progress.records} records; an open transaction may hold {owned.state} back"
                )


def _still_open(offset: TopicPartition) -> bool:
    if offset.error is None:
        return False
    if offset.error.code() in _WAITING:
        return True
    raise in_our_words(offset.error, "asking for committed offsets")
