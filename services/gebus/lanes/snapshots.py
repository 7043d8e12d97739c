"""The snapshots of a worker: when one is due, and who writes it. The disk's troubles do not reach the lanes."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from gebus_kernel import Kernel

from gebus.lanes.places import Slice
from gebus.lanes.ports import Clock, Message
from gebus.lanes.settings import STATE_PREFIX, LaneSettings
from gebus.lanes.snapshot import (
    UNFIT,
    Header,
    Record,
    Records,
    SnapshotChain,
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
_KEPT = 8
"""Times the bytes that make a snapshot due: so much of the log is kept in memory for the tails of all slices."""
_FILES = 64
"""A snapshot with more tails than these would be slow to open."""
_OLD_MS = 86_400_000
"""What has expired is on the disk for so much longer at most."""


@dataclass(slots=True)
class Tail:
    """What the log of a slice's state holds beyond its snapshot and the snapshot's tails."""

    position: int
    """The first offset behind everything that the kernel holds of this slice."""
    size: int = 0
    """Bytes since the files, or since the beginning."""
    base: int = 0
    """Bytes of the files; 0 where there are none."""
    files: int = 0
    begins: int = 0
    """The position of the files: where the next tail of theirs would begin."""
    records: list[Record] | None = None
    """What the log holds from there on; None where that is not at hand, and the next file must be a new snapshot."""
    since_ms: int = 0
    """When the snapshot was written."""


@dataclass(slots=True)
class SnapshotCounts:
    """How many snapshots a worker wrote, could not write, and could not use."""

    written: int = 0
    failed: int = 0
    unfit: int = 0


class Snapshots:
    """Writes what the log of a slice's state has gained when reading it would take long: as a tail of the slice's
    snapshot, or, where much of the files is of no use any more, as a new snapshot. One at a time, beside the loop.

    Promised: a snapshot holds exactly what lies before its position, whatever another worker has written since; a disk
    that is full, slow or read-only costs a warning; the files of a slice take twice as much as its state at most, and a
    file more. Not promised: that a slice has a snapshot, or a young one; the kernel's `dump`, which makes a new one,
    keeps the loop for as long as copying the slice's state takes.
    """

    def __init__(
        self, directory: Path, kernel: Kernel, clock: Clock, settings: LaneSettings, counts: SnapshotCounts
    ) -> None:
        self.directory, self._kernel, self._clock = directory, kernel, clock
        self._settings, self._counts = settings, counts
        self._topic_ids: dict[str, str] = {}
        self._tails: dict[Slice, Tail] = {}
        self._unreported = self._kept = 0
        self._job: _Job | None = None
        self._due_at = clock.monotonic() + settings.snapshot_interval

    def know(self, topic_ids: dict[str, str]) -> None:
        """The ids of topics that hold the states of lanes, by lane."""
        self._topic_ids |= topic_ids

    def open(self, owned: Slice) -> SnapshotChain | None:
        """The snapshot of a slice that is open in the kernel; None where there is none that fits."""
        sweep(snapshot_path(self.directory, owned))
        chain = SnapshotChain(self.directory, owned)
        try:
            chain.open(self._topic_ids[owned.lane], self._tables(owned))
        except FileNotFoundError:
            return None
        except (SnapshotUnfit, OSError) as error:
            self.put_aside(owned, chain.path, error)
            return None
        return chain

    def put_aside(self, owned: Slice, path: Path, why: Exception) -> None:
        """A file that cannot be used is kept beside for whoever wants to know, and named."""
        aside = path.with_suffix(UNFIT)
        self._counts.unfit += 1
        _log.warning("the snapshot of slice %s is not used, its state is read from the log instead: %s: %s; it is put "
                     "aside as %s", owned, path, why, aside)  # fmt: skip
        try:
            path.replace(aside)
            os.utime(aside)  # a day from now it is deleted
        except OSError as error:
            _log.warning("%s cannot be put aside: %s", path, error)

    def restored(self, owned: Slice, tail: Tail) -> None:
        """A slice was restored, and is written on by this worker alone from here on."""
        self._tails[owned] = tail
        self._kept += tail.size if tail.records is not None else 0

    def drop(self, owned: Slice) -> None:
        """The slice went elsewhere."""
        tail = self._tails.pop(owned, None)
        if tail is not None:
            self._let_go(tail)

    def producing(self, owned: Slice, key: bytes, value: bytes) -> None:
        """One record of a state was given to the producer, and will be reported. It counts once its transaction is
        committed; a worker whose transaction was not has ended its session."""
        self._unreported += 1
        tail = self._tails.get(owned)
        if tail is None:
            return
        tail.size += len(value)
        if tail.records is not None:
            tail.records.append((key, value))
            self._kept += len(value)
            if self._kept > self._room:
                self._let_go(tail)

    def delivered(self, error: object, message: Message) -> None:
        """The producer's report of that record: where it lies in the log."""
        if error is not None:
            return
        self._unreported -= 1
        tail = self._tails.get(Slice(message.topic().removeprefix(STATE_PREFIX), message.partition()))
        if tail is not None:
            tail.position = max(tail.position, message.offset() + 1)

    @property
    def _room(self) -> int:
        """How many bytes of the log may be kept for tails."""
        return _KEPT * self._settings.snapshot_bytes

    def _let_go(self, tail: Tail) -> None:
        if tail.records is not None:
            self._kept -= tail.size
            tail.records = None

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
        """Half a snapshot more to read is worth a new one; a tail, which is written once, is worth it at once."""
        more = 0 if tail.records is not None else tail.base // 2
        return tail.size >= max(self._settings.snapshot_bytes, more)

    def _begin(self, owned: Slice) -> None:
        tail = self._tails[owned]
        header = Header(owned, self._topic_ids[owned.lane], tail.position, tuple(self._tables(owned)))
        records: Records
        if tail.records is None or self._wasteful(owned, tail):
            records, size = self._kernel.dump(owned.lane, owned.number), 0
        else:
            records, size = tail.records, tail.base
            header = replace(header, begins=tail.begins)
        self._job = _Job(self.directory, header, records, tail, size)
        # What is written now is the next one's no more; where it fails, that is to be a new snapshot.
        self._let_go(tail)
        tail.records, tail.size = [], 0
        self._job.thread.start()

    def _wasteful(self, owned: Slice, tail: Tail) -> bool:
        """Whether a new snapshot would take half as much as its files, or say more than they may for long."""
        mine = owned.lane, owned.number
        live = sum(size for lane, number, *_, size in self._kernel.state_size() if (lane, number) == mine)
        live += sum(size for lane, number, _, size in self._kernel.spilt() if (lane, number) == mine)
        old = self._clock.now_ms() - tail.since_ms > _OLD_MS
        return tail.base + tail.size > 2 * live or tail.files >= _FILES or old

    def _finished(self, job: _Job) -> None:
        owned, whole = job.header.owned, job.header.begins is None
        tail = job.tail
        now = self._tails.get(owned)
        if now is not None and now is not tail:  # the slice went and came: its files are not those that were read then
            self._let_go(now)
        if job.error is None:
            self._counts.written += 1
            tail.base, tail.begins = job.before + job.size, job.header.position
            tail.files = 1 if whole else tail.files + 1
            tail.since_ms = self._clock.now_ms() if whole else tail.since_ms
            delete_unfit(snapshot_path(self.directory, owned), self._clock.now_ms())
            _log.info("%s of slice %s written: %d bytes, position %d", "snapshot" if whole else "tail of the snapshot",
                      owned, job.size, job.header.position)  # fmt: skip
            return
        self._let_go(tail)
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
    """One file being written, behind others of so many bytes. Its thread dies with the process: what it leaves is not
    a snapshot yet."""

    def __init__(self, directory: Path, header: Header, records: Records, tail: Tail, before: int) -> None:
        self.header, self.tail, self.before = header, tail, before
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
