"""What a worker measures of itself, and how another thread gets to see it.

The kernel and the clients belong to the loop's thread. A scrape asks; the loop answers between two batches; nothing
is collected while nobody asks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gebus_kernel import Account

from gebus.lanes.places import Place, Slice
from gebus.lanes.progress import Lag
from gebus.lanes.snapshots import SnapshotCounts

_ANSWER_SECONDS = 1.0
SECONDS_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Buckets:
    """A histogram: `counts` has one bucket more than `bounds`, for what is above them all."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    sum: float | None = 0.0
    """None once counts came in without their values."""

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        if self.sum is not None:
            self.sum += value

    def add(self, counts: Sequence[int]) -> None:
        """Count what was counted elsewhere, bucket by bucket."""
        self.counts = [mine + more for mine, more in zip(self.counts, counts, strict=True)]
        self.sum = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A worker at one moment."""

    accounts: Sequence[Account] = ()
    state: Sequence[tuple[str, int, str, int, int]] = ()
    spilt: Sequence[tuple[str, int, str, int]] = ()
    lags: Mapping[Place, Lag] = field(default_factory=dict)
    held: Mapping[Place, str] = field(default_factory=dict)
    live: Sequence[Slice] = ()
    buffered: Mapping[Place, int] = field(default_factory=dict)
    restoring: Mapping[Slice, float] = field(default_factory=dict)
    budget: int = 0
    full: bool = False


class Meter:
    """Counts of one worker process, over all its sessions."""

    def __init__(self, latency_bounds_ms: Sequence[float], restarts: int = 0) -> None:
        self.batch = Buckets(SECONDS_BOUNDS)
        self.commit = Buckets(SECONDS_BOUNDS)
        self.end_to_end = Buckets(tuple(bound / 1000 for bound in latency_bounds_ms))
        self.snapshots = SnapshotCounts()
        self.committed = self.abandoned = self.sessions = 0
        self.restarts = restarts
        self._wanted, self._answered = threading.Event(), threading.Event()
        self._scraping = threading.Lock()
        self._last = Observation()

    def serve(self, observe: Callable[[], Observation]) -> None:
        """The loop's side: answer if somebody asks."""
        if self._wanted.is_set():
            self._wanted.clear()
            self._last = observe()
            self._answered.set()

    def ask(self) -> Observation:
        """The other side: the worker now, or as it last was if the loop does not come round within a second."""
        with self._scraping:
            self._answered.clear()
            self._wanted.set()
            self._answered.wait(_ANSWER_SECONDS)
            return self._last

    def session_ended(self) -> None:
        """A session is over; until the next one nothing is live."""
        self.sessions += 1
        self._last = Observation()
