"""How far the restoring of slices has come, for the log and the metrics, and why one cannot be restored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gebus.lanes.places import Place, Slice
from gebus.lanes.ports import Clock
from gebus.lanes.snapshot import Record, SnapshotChain

_log = logging.getLogger(__name__)
_SAY_EVERY = 5.0
_SNAPSHOT_SHARE = 2 / 3
"""Of the work: what the log holds beyond a snapshot is half of it at most, or little."""


@dataclass(slots=True)
class Restoring:
    """One slice that is not live yet."""

    inputs: frozenset[Place]
    moved_at: float
    snapshot: SnapshotChain | None = None
    refused: str = ""
    """What the kernel said of a record of the snapshot that it does not take."""
    position: int | None = None
    """Where reading of the log began; None for its beginning."""
    records: int = 0
    size: int = 0
    """Records and bytes of the log."""
    tail: list[Record] | None = field(default_factory=list)
    """Those records; None where they are too many to keep."""
    _tail_ratio: float = 0.0
    _loaded: bool = False

    @property
    def ratio(self) -> float:
        """How much is done, from 0 to 1."""
        if self.snapshot is None:
            return self._tail_ratio
        if self._loaded:
            return _SNAPSHOT_SHARE + (1 - _SNAPSHOT_SHARE) * self._tail_ratio
        return _SNAPSHOT_SHARE * self.snapshot.read / max(1, self.snapshot.size)

    @property
    def snapshot_position(self) -> int | None:
        """Where the snapshot leaves off."""
        return None if self.snapshot is None else self.snapshot.position

    def next(self) -> Record | None:
        """The next record of the snapshot; None behind the last one."""
        return None if self.snapshot is None else self.snapshot.next()

    def take(self, key: bytes, value: bytes, most: int) -> None:
        """A record of the log; about `most` bytes of them are kept, beyond which a tail of the snapshot is not due."""
        self.records += 1
        self.size += len(value)
        if self.tail is not None:
            self.tail.append((key, value))
            if self.snapshot is None or self.size > 2 * most:
                self.tail = None

    def read_to(self, offset: int, ends: tuple[int, int] | None) -> None:
        """The log was read up to an offset, and these are its ends as far as they are known."""
        if ends is not None and ends[1] > offset:
            first = max(0, ends[0] if self.position is None else self.position)
            self._tail_ratio = min(1.0, (offset - first) / max(1, ends[1] - first))

    def close(self) -> None:
        """The snapshot was read, or is not wanted any more."""
        self._loaded = True
        if self.snapshot is not None:
            self.snapshot.close()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a slice cannot be restored, and what to do. `where` is the place in the log, where it is one."""

    reason: Literal["not_applied", "state_missing", "state_lost", "state_unfit"]
    about: str
    where: str = ""

    @property
    def passes(self) -> bool:
        """Whether it may be over while the worker runs: its plan stays as it is, but `gebus apply` may run."""
        return self.reason in {"not_applied", "state_missing"}


class RestoreReport:
    """Says what is restored: a line in five seconds, and one at the end; none where there was nothing to restore."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._said = clock.monotonic()
        self._slices = self._records = self._size = self._from_snapshots = 0

    def begun(self) -> None:
        """Another slice is to be restored."""
        if not self._slices:
            self._began = self._said = self._clock.monotonic()
        self._slices += 1

    def given_up(self) -> None:
        """One of them cannot be, or goes elsewhere."""
        self._slices -= 1

    def add(self, size: int, *, from_snapshot: bool = False) -> None:
        """One record came back."""
        self._records += 1
        self._size += size
        self._from_snapshots += size if from_snapshot else 0

    def tell(self, left: Mapping[Slice, float]) -> None:
        """Say it if it is time to."""
        now = self._clock.monotonic()
        if left and now - self._said >= _SAY_EVERY:
            self._said = now
            done = (self._slices - len(left) + sum(left.values())) / max(1, self._slices)
            _log.info(
                "restoring %d of %d slices: %d records, %d bytes so far, %.0f %%",
                len(left), self._slices, self._records, self._size, 100 * done,
            )  # fmt: skip
        elif not left and self._slices:
            level = logging.INFO if self._records else logging.DEBUG
            _log.log(
                level, "restored %d slices in %.1f s: %d records, %d bytes, %d of them from snapshots",
                self._slices, now - self._began, self._records, self._size, self._from_snapshots,
            )  # fmt: skip
            self._slices = self._records = self._size = self._from_snapshots = 0
