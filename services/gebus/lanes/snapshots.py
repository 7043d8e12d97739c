"""The snapshots of a worker: when one is due, and who writes it. The disk's troubles do not reach the lanes."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gebus_kernel import Kernel

from gebus.lanes.places import Slice
from gebus.lanes.ports import Clock, Message
from gebus.lanes.settings import STATE_PREFIX, LaneSettings
from gebus.lanes.snapshot import (
    UNFIT,
    Header,
    Record,
    SnapshotReader,
    SnapshotUnfit,
    delete_unfit,
    snapshot_path,
    sweep,
    write_snapshot,
)

_log = logging.getLogger(__name__)
_REST = 20
"""Copying a slice's state keeps the loop waiting: so many times as long it then has for its records."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(slots=True)
class Tail:
    """What the log of a slice's state holds beyond its snapshot."""

    position: int
    """The first offset behind everything that the kernel holds of this slice."""
    size: int = 0
    """Bytes since the snapshot, or since the beginning."""
    base: int = 0
    """Bytes of the snapshot; 0 where there is none."""


@dataclass(slots=True)
class SnapshotCounts:
    """How many snapshots a worker wrote, could not write, and could not use."""

    written: int = 0
    failed: int = 0
    unfit: int = 0


class Snapshots:
    """Writes a slice's snapshot when reading the log's tail would take long; one at a time, beside the loop.

    Promised: a snapshot holds exactly what lies before its position, whatever another worker has written since; a disk
    that is full, slow or read-only costs a warning. Not promised: that a slice has a snapshot, or a young one; the
    kernel's `dump` keeps the loop for as long as copying the slice's state takes.
    """

    def __init__(
        self, directory: Path, kernel: Kernel, clock: Clock, settings: LaneSettings, counts: SnapshotCounts
    ) -> None:
        self.directory, self._kernel, self._clock = directory, kernel, clock
        self._settings, self._counts = settings, counts
        self._topic_ids: dict[str, str] = {}
        self._tails: dict[Slice, Tail] = {}
        self._unreported = 0
        self._job: _Job | None = None
        self._due_at = clock.monotonic() + settings.snapshot_interval

    def know(self, topic_ids: dict[str, str]) -> None:
        """The ids of topics that hold the states of lanes, by lane."""
        self._topic_ids |= topic_ids

    def open(self, owned: Slice) -> SnapshotReader | None:
        """The snapshot of a slice that is open in the kernel; None where there is none that fits."""
        path = snapshot_path(self.directory, owned)
        sweep(path)
        try:
            reader = SnapshotReader(path)
        except FileNotFoundError:
            return None
        except (SnapshotUnfit, OSError) as error:
            self.put_aside(owned, error)
            return None
        try:
            reader.require(owned, self._topic_ids[owned.lane], self._tables(owned))
        except SnapshotUnfit as error:
            reader.close()
            self.put_aside(owned, error)
            return None
        return reader

    def put_aside(self, owned: Slice, why: Exception) -> None:
        """A snapshot that cannot be used is kept beside for whoever wants to know, and named."""
        path = snapshot_path(self.directory, owned)
        aside = path.with_suffix(UNFIT)
        self._counts.unfit += 1
        _log.warning("the snapshot of slice %s is not used, its state is read from the log instead: %s; it is put "
                     "aside as %s", owned, why, aside)  # fmt: skip
        try:
            path.replace(aside)
            os.utime(aside)  # a day from now it is deleted
        except OSError as error:
            _log.warning("%s cannot be put aside: %s", path, error)

    def restored(self, owned: Slice, tail: Tail) -> None:
        """A slice was restored, and is written on by this worker alone from here on."""
        self._tails[owned] = tail

    def drop(self, owned: Slice) -> None:
        """The slice went elsewhere."""
        self._tails.pop(owned, None)

    def producing(self) -> None:
        """One record of a state was given to the producer, and will be reported."""
        self._unreported += 1

    def delivered(self, error: object, message: Message) -> None:
        """The producer's report of that record: where it lies in the log. It counts once its transaction is committed;
        a worker whose transaction was not has ended its session."""
        if error is not None:
            return
        self._unreported -= 1
        tail = self._tails.get(Slice(message.topic().removeprefix(STATE_PREFIX), message.partition()))
        if tail is not None:
            tail.position = max(tail.position, message.offset() + 1)
            tail.size += len(message.value() or b"")

    def some(self) -> None:
        """Between two transactions: look after the snapshot that is being written, or begin one that is due."""
        if self._job is not None:
            if self._job.thread.is_alive():
                return
            self._finished(self._job)
            self._job = None
        if self._clock.monotonic() < self._due_at or self._unreported:
            return
        started = self._clock.monotonic()
        due = [owned for owned, tail in self._tails.items() if self._is_due(tail)]
        if due:
            self._begin(max(due, key=lambda owned: self._tails[owned].size))
        now = self._clock.monotonic()
        self._due_at = now + max(self._settings.snapshot_interval, _REST * (now - started))

    def _is_due(self, tail: Tail) -> bool:
        """Half a snapshot more to read is worth a new one: all of them together write thrice what changed at most."""
        return tail.size >= max(self._settings.snapshot_bytes, tail.base // 2)

    def _begin(self, owned: Slice) -> None:
        tail = self._tails[owned]
        header = Header(owned, self._topic_ids[owned.lane], tail.position, tuple(self._tables(owned)))
        self._job = _Job(self.directory, header, self._kernel.dump(owned.lane, owned.number), tail.size)
        self._job.thread.start()

    def _finished(self, job: _Job) -> None:
        owned = job.header.owned
        if job.error is None:
            self._counts.written += 1
            delete_unfit(snapshot_path(self.directory, owned), self._clock.now_ms())
            tail = self._tails.get(owned)
            if tail is not None:
                tail.size, tail.base = max(0, tail.size - job.tail), job.size
            _log.info("snapshot of slice %s written: %d bytes, position %d", owned, job.size, job.header.position)
            return
        self._counts.failed += 1
        self._due_at = self._clock.monotonic() + self._settings.snapshot_retry
        full = isinstance(job.error, OSError) and job.error.errno in _FULL
        advice = f"free some of the disk of {self.directory}" if full else f"see that {self.directory} can be written"
        _log.warning("the snapshot of slice %s could not be written: %s; the old one stays and nothing is lost, but a "
                     "restart takes longer: %s", owned, job.error, advice)  # fmt: skip

    def _tables(self, owned: Slice) -> Collection[str]:
        mine = (owned.lane, owned.number)
        return sorted({table for lane, number, table, _, _ in self._kernel.state_size() if (lane, number) == mine})


class _Job:
    """One snapshot being written. Its thread dies with the process: what it leaves is not a snapshot yet."""

    def __init__(self, directory: Path, header: Header, records: list[Record], tail: int) -> None:
        self.header, self.tail = header, tail
        self.size, self.error = 0, None
        self._directory, self._records = directory, records
        self.thread = threading.Thread(target=self._run, name=f"snapshot-{header.owned}", daemon=True)

    size: int
    error: Exception | None

    def _run(self) -> None:
        try:
            self.size = write_snapshot(self._directory, self.header, self._records)
        except Exception as error:
            self.error = error
        finally:
            self._records = []
