"""The byte budget of a worker's state: at its end no more is taken in, and that is said."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence

from gebus.lanes.errors import told
from gebus.lanes.places import Place, kafka
from gebus.lanes.ports import Clock, Consumer
from gebus.model.errors import Stopped

_log = logging.getLogger(__name__)
_GO_ON = 0.95
"""Of the budget: taking input and stopping again for each entry that expires would serve nobody."""
_LOOK_SECONDS = 1.0
_SAY_SECONDS = 60.0
_NAMED = 3

Sizes = Sequence[tuple[str, int, str, int, int]]
"""(lane, slice, table, entries, bytes), as the kernel says them."""


class Budget:
    """Says when a worker holds as much state as it may.

    Promised: at the budget nothing more is taken, what was taken is committed, and nothing is lost; it goes on by
    itself when enough has expired. A worker that does not even have room for what it is to begin with is refused. Not
    promised: a limit of the process's memory, which also holds the clients' queues and copies of what is restored; nor
    that anything expires: time is the log's, and of an unordered lane with records waiting that of the last one taken.
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self.limit, self._clock = limit, clock
        self.full = False
        self._begun = False
        self._look_at = self._say_at = -math.inf

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock.monotonic() >= self._look_at

    def look(self, sizes: Sizes, *, restoring: bool, spill: str = "") -> None:
        """Look at what the kernel holds in memory; `spill` is why no more of it goes to the disk, if anything may.

        Stopped where a worker that has just begun holds too much already.
        """
        now = self._clock.monotonic()
        self._look_at = now + _LOOK_SECONDS
        total = sum(size for *_, size in sizes)
        if total >= self.limit and not self._begun:
            raise Stopped(
                f"the state of this worker's slices takes {total:,} bytes{' already' if restoring else ''}, and its "
                f"budget is {self.limit:,}; {_largest(sizes)}{_told(spill)}. Nothing is lost; give `gebus run lanes` "
                "more --state-bytes or --spill-bytes, or more --workers on more machines"
            )
        self._begun = self._begun or not restoring
        if total < self.limit * (_GO_ON if self.full else 1.0):
            if self.full:
                _log.info("the state takes %s bytes of %s: input is taken again", f"{total:,}", f"{self.limit:,}")
            self.full, self._say_at = False, -math.inf
            return
        self.full = True
        if now >= self._say_at:
            self._say_at = now + _SAY_SECONDS
            _log.error(
                "the state takes %s bytes, and the budget is %s: no input is taken until enough has expired; nothing "
                "is lost. %s%s. Give `gebus run lanes` more --state-bytes, --spill-bytes or --workers, or the steps a "
                "shorter `within`", f"{total:,}", f"{self.limit:,}", _largest(sizes), _told(spill),
            )  # fmt: skip


def _told(spill: str) -> str:
    return f"; the disk takes no more: {spill}" if spill else ""


def _largest(sizes: Sizes) -> str:
    """The tables that take most, over all slices."""
    tables: dict[tuple[str, str], tuple[int, int]] = {}
    for lane, _, table, entries, size in sizes:
        known = tables.get((lane, table), (0, 0))
        tables[lane, table] = known[0] + entries, known[1] + size
    most = sorted(tables.items(), key=lambda item: item[1][1], reverse=True)[:_NAMED]
    named = [f"{table} of lane {lane} ({entries:,} keys, {size:,} bytes)" for (lane, table), (entries, size) in most]
    return f"the largest tables: {', '.join(named) or 'none'}"


class StoppedInput:
    """The partitions that are not read while the budget is used up, or while they wait for the ledger."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._paused: set[Place] = set()

    def be(self, places: Collection[Place], stopped: Collection[Place]) -> None:
        """Of these live partitions, which nothing else holds, those that are stopped are not read, all others are."""
        self._paused &= set(places)
        wanted = set(places) & set(stopped)
        for act, which in (
            (self._consumer.pause, wanted - self._paused),
            (self._consumer.resume, self._paused - wanted),
        ):
            if which:
                with told("pausing or resuming input"):
                    act(kafka(which))
        self._paused = wanted
