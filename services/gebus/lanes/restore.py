"""The state of a slice, brought back before the slice is worked on: its snapshot, and the tail of its log.

A slice is restored up to the point where its committed offsets and its state agree. Three steps, in this order:

    1  the group says the committed offsets of all inputs, stable: no transaction is open that holds one of them
    2  only then does reading begin, so that the end of the log that a fetch tells holds every record of every
       transaction whose offsets step 1 saw
    3  reading goes on until the committed end of the log is that end: each of those transactions is decided by now

Were 2 before 1, a dead owner's transaction could commit between them: its offsets would count, its state would be
missing, and the ids in it would be delivered again. A snapshot takes the place of the log's records before its position
and of nothing else; without one, or with one that is damaged or of something else, all of the log is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from gebus_kernel import Kernel

from gebus.lanes.errors import SessionEnded, in_our_words, is_missing, told
from gebus.lanes.log import is_end
from gebus.lanes.marks import StateMarks
from gebus.lanes.notes import not_applied
from gebus.lanes.places import Lanes, Place, Slice, kafka
from gebus.lanes.ports import Clients, Clock, Consumer, Message
from gebus.lanes.restoring import Refusal, RestoreReport, Restoring
from gebus.lanes.settings import LaneSettings, state_topic
from gebus.lanes.snapshot import SnapshotUnfit, snapshot_path
from gebus.lanes.snapshots import Snapshots, Tail
from gebus.model.errors import Stopped

_log = logging.getLogger(__name__)
_BATCH = 500
_ANSWER = 10.0
_ALONE = 0.5
"""Seconds, while no slice is live; a request to stop waits for so long."""
_WAITING = frozenset({KafkaError._TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT})


class Restorer:
    """Restores slices a little at a time, so that the live ones go on meanwhile.

    Promised: a slice that `some` returns holds in the kernel exactly what was committed; one that cannot be restored
    is among `refused`, is closed, and holds no other up. Not promised: how long it takes; without progress for the
    restore timeout it raises.
    """

    def __init__(
        self,
        lanes: Lanes,
        kernel: Kernel,
        source: Consumer,
        clients: Clients,
        *,
        clock: Clock,
        settings: LaneSettings,
        snapshots: Snapshots,
        unregistered: Callable[[], Mapping[str, str]],
    ) -> None:
        self._lanes, self._kernel, self._source, self._clients = lanes, kernel, source, clients
        self._clock, self._settings, self._snapshots = clock, settings, snapshots
        self._reader: Consumer | None = None
        self._marks = StateMarks(lanes)
        self._unregistered = unregistered
        self._not_applied: dict[str, str] = {}
        self._asked = False
        self._unsettled: dict[Slice, Restoring] = {}
        self._loading: dict[Slice, Restoring] = {}
        self._reading: dict[Slice, Restoring] = {}
        self._report = RestoreReport(clock)
        self._refused: dict[Slice, Refusal] = {}
        self.starts: dict[Place, int] = {}
        """The committed offset of every input of every slice restored so far; below 0 where there is none."""

    @property
    def pending(self) -> bool:
        return bool(self._unsettled or self._loading or self._reading)

    @property
    def marks(self) -> StateMarks:
        """The marks of the states that this session's offsets belong to."""
        if not self._asked:
            names = {state_topic(lane): lane for lane in self._marks.unknown}
            found = {names[topic]: id_ for topic, id_ in self._clients.topic_ids(list(names), _ANSWER).items()}
            self._snapshots.know(found)
            self._marks.learn(found)
            self._not_applied = {**self._unregistered(), **self._forgetting()}
            self._asked = True
        return self._marks

    def _forgetting(self) -> Mapping[str, str]:
        """The lanes whose changed steps `gebus apply` has not seen."""
        try:
            return not_applied(self._lanes.plans, self._clients.notes(), self._clock.now_ms())
        except Stopped as error:
            # A later gebus may have written them: no reason to deliver nothing.
            _log.warning("whether the steps of all feeds were applied is not known: %s", error)
            return {}

    def begin(self, owned: Slice, inputs: Iterable[Place]) -> None:
        """Start to restore a slice whose inputs are all assigned here."""
        self._unsettled[owned] = Restoring(frozenset(inputs), self._clock.monotonic())
        self._asked = self._asked and owned.lane not in {*self._marks.unknown, *self._not_applied}
        self._report.begun()

    def refused(self) -> dict[Slice, Refusal]:
        """The slices that cannot be restored, each told once."""
        told, self._refused = self._refused, {}
        return told

    def drop(self, owned: Slice) -> None:
        """The slice went elsewhere; what was restored of it is forgotten."""
        self._snapshots.drop(owned)
        if any(owned in stage for stage in self._stages()):
            self._report.given_up()
        if self._unsettled.pop(owned, None) is not None:
            return
        one = self._loading.pop(owned, None)
        if one is not None:
            one.close()
            self._kernel.close(owned.lane, owned.number)
        elif self._reading.pop(owned, None) is not None:
            self._kernel.close(owned.lane, owned.number)
            if self._reader is not None:
                self._reader.incremental_unassign([owned.state.kafka()])

    def some(self, seconds: float, *, alone: bool = False) -> list[Slice]:
        """Work for about so long, or longer if nobody waits for it; returns the slices that are now complete."""
        self._settle(seconds)
        self._load(self._clock.monotonic() + (_ALONE if alone else seconds))
        done = self._read(seconds) if self._reading else []
        self._check_progress()
        self._report.tell(self.progress())
        if not self.pending:
            self.close()
        return done

    def progress(self) -> dict[Slice, float]:
        """How far each slice that is not restored yet has come, from 0 to 1."""
        return {owned: one.ratio for stage in self._stages() for owned, one in stage.items()}

    def close(self) -> None:
        """Close what reads; safe to call twice."""
        for one in self._loading.values():
            one.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _stages(self) -> tuple[dict[Slice, Restoring], ...]:
        return self._unsettled, self._loading, self._reading

    def _settle(self, seconds: float) -> None:
        """Step 1, for all slices that wait for it, and the start of step 2."""
        if not self._unsettled:
            return
        inputs = {place for one in self._unsettled.values() for place in one.inputs}
        try:
            offsets = self._source.committed(kafka(inputs), timeout=seconds)
        except KafkaException as error:
            if error.args[0].code() not in _WAITING:
                raise in_our_words(error.args[0], "asking for committed offsets") from error
            return
        unstable = {Place.of(offset) for offset in offsets if _still_open(offset)}
        by_place = {Place.of(offset): offset for offset in offsets}
        self.starts.update((place, offset.offset) for place, offset in by_place.items())
        for owned, one in list(self._unsettled.items()):
            if one.inputs.isdisjoint(unstable):
                why = self.marks.refusal(owned.lane, (by_place[place] for place in sorted(one.inputs)))
                if why is None and owned.lane in self._not_applied:
                    why = Refusal("not_applied", self._not_applied[owned.lane])
                if why is not None:
                    self._refuse(owned, why)
                    continue
                del self._unsettled[owned]
                one.moved_at = self._clock.monotonic()
                self._kernel.open(owned.lane, owned.number)
                one.snapshot = self._snapshots.open(owned)
                if one.snapshot is None:
                    self._read_on(owned, one, None)
                else:
                    self._loading[owned] = one

    def _load(self, until: float) -> None:
        """What the snapshots hold."""
        for owned, one in list(self._loading.items()):
            while self._load_one(owned, one):
                if self._clock.monotonic() >= until:
                    return

    def _load_one(self, owned: Slice, one: Restoring) -> bool:
        """One record of a snapshot; whether there may be another."""
        try:
            record = one.next()
        except (SnapshotUnfit, OSError) as error:
            self._without_snapshot(owned, one, error)
            return False
        try:
            # Of one that is refused the rest is read for its digest alone: if it is whole, the log says the same.
            if record is not None and not one.refused:
                self._kernel.restore(owned.lane, owned.number, *record)
        except ValueError as error:
            one.refused = str(error)
        if record is not None:
            self._report.add(len(record[1]), from_snapshot=True)
            one.moved_at = self._clock.monotonic()
            return True
        if one.refused:
            where = f"{snapshot_path(self._snapshots.directory, owned)}: "
            self._refuse(owned, Refusal("state_unfit", _said(owned, one.refused), where))
            return False
        one.close()
        del self._loading[owned]
        self._read_on(owned, one, one.snapshot_position)
        return False

    def _without_snapshot(self, owned: Slice, one: Restoring, why: Exception) -> None:
        """From the beginning of the log, with nothing in the kernel of what the snapshot gave."""
        one.close()
        if one.snapshot is not None:
            self._snapshots.put_aside(owned, one.snapshot.path, why)
        one.snapshot, one.refused = None, ""
        self._loading.pop(owned, None)
        self._kernel.close(owned.lane, owned.number)
        self._kernel.open(owned.lane, owned.number)
        self._read_on(owned, one, None)

    def _read_on(self, owned: Slice, one: Restoring, position: int | None) -> None:
        """The log from a position on, or from its beginning."""
        one.position = position
        self._reading[owned] = one
        with told(f"beginning to read {owned.state}"):
            self._open().incremental_assign([owned.state.kafka(OFFSET_BEGINNING if position is None else position)])

    def _open(self) -> Consumer:
        if self._reader is None:
            self._reader = self._clients.state_consumer()
        return self._reader

    def _read(self, seconds: float) -> list[Slice]:
        by_place = {owned.state: owned for owned in self._reading}
        done: list[Slice] = []
        last: dict[Slice, int] = {}
        for message in self._open().consume(_BATCH, seconds):
            owned = by_place.get(Place(message.topic(), message.partition()))
            if owned is None or owned not in self._reading:
                continue
            if message.error() is None:
                self._take(owned, message)
                last[owned] = message.offset()
            elif message.error().code() == KafkaError._AUTO_OFFSET_RESET:
                self._not_in_the_log(owned)
            elif is_missing(message.error()):
                about = f"the topic {owned.state.topic} was deleted while it was read; run `gebus apply`, then restart"
                self._refuse(owned, Refusal("state_missing", about))
            elif is_end(message) and self._is_decided(owned, message.offset()):
                done.append(owned)
        for owned in last.keys() & self._reading.keys():
            ends = self._open().get_watermark_offsets(owned.state.kafka(), cached=True)
            self._reading[owned].read_to(last[owned], ends)
        return done

    def _take(self, owned: Slice, message: Message) -> None:
        key, value = message.key() or b"", message.value() or b""
        try:
            self._kernel.restore(owned.lane, owned.number, key, value)
        except ValueError as error:
            where = f"{owned.state} at offset {message.offset()}: "
            self._refuse(owned, Refusal("state_unfit", _said(owned, str(error)), where))
            return
        self._report.add(len(value))
        one = self._reading[owned]
        one.take(key, value, self._settings.snapshot_bytes)
        one.moved_at = self._clock.monotonic()

    def _is_decided(self, owned: Slice, offset: int) -> bool:
        """The committed end was reached. Beyond it, up to the end of the log, lies at most an undecided transaction."""
        ends = self._open().get_watermark_offsets(owned.state.kafka(), cached=True)
        if ends is None or ends[1] > offset:
            return False
        one = self._reading.pop(owned)
        self._open().incremental_unassign([owned.state.kafka()])
        self._snapshots.restored(owned, _tail_of(one, offset))
        return True

    def _not_in_the_log(self, owned: Slice) -> None:
        """The log does not reach to the snapshot's position: it was trimmed beyond it, or has lost its end."""
        one = self._reading[owned]
        with told(f"asking for the ends of {owned.state}"):
            ends = self._open().get_watermark_offsets(owned.state.kafka(), _ANSWER)
        if ends is None or one.position is None:
            raise SessionEnded(f"{owned.state} cannot be read from where it begins; the next session tries again")
        if one.position > ends[1]:
            snapshot = snapshot_path(self._snapshots.directory, owned)
            about = (
                f"{owned.state} ends at offset {ends[1]}, and its snapshot goes up to {one.position}: Kafka has lost "
                f"records of it, and maybe of other topics. Bring its data back; or delete {snapshot} to go on with "
                f"what Kafka has, choose with `gebus reset-offsets {owned.lane}` where, and restart"
            )
            self._refuse(owned, Refusal("state_lost", about))
            return
        self._open().incremental_unassign([owned.state.kafka()])
        del self._reading[owned]
        self._without_snapshot(owned, one, SnapshotUnfit(f"the log begins at {ends[0]}, after its end"))

    def _refuse(self, owned: Slice, why: Refusal) -> None:
        self.drop(owned)
        self._refused[owned] = why

    def _check_progress(self) -> None:
        now = self._clock.monotonic()
        for stage in self._stages():
            for owned, one in stage.items():
                if now - one.moved_at > self._settings.restore_timeout:
                    raise SessionEnded(
                        f"slice {owned} could not be restored: nothing came for {self._settings.restore_timeout:g} s, "
                        f"after {one.records} records; an open transaction may hold {owned.state} back"
                    )


def _tail_of(one: Restoring, position: int) -> Tail:
    """What the log holds up to a position beyond the snapshot that was restored from."""
    files = one.snapshot
    if files is None:
        return Tail(position, one.size)
    return Tail(position, one.size, files.size, files.files, files.position, one.tail, files.written_ms)


def _said(owned: Slice, error: str) -> str:
    """What the kernel said, without the place that it begins with."""
    return error.removeprefix(f"lane {owned.lane}: slice {owned.number}: ")


def _still_open(offset: TopicPartition) -> bool:
    if offset.error is None:
        return False
    if offset.error.code() in _WAITING:
        return True
    raise in_our_words(offset.error, "asking for committed offsets")
