"""The slices of one worker: which are whole, which are being restored, which are live."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from gebus_kernel import Kernel

from gebus.lanes.errors import told
from gebus.lanes.places import Lanes, Place, Slice, kafka
from gebus.lanes.ports import Consumer
from gebus.lanes.restore import Restorer

_log = logging.getLogger(__name__)


class Slices:
    """Follows the group's assignment.

    A slice is worked on only while all its inputs are assigned here: it is restored when the last of them comes, and
    closed before the first of them goes. Its partitions are read only while it is live.
    """

    def __init__(self, lanes: Lanes, consumer: Consumer, kernel: Kernel, restorer: Restorer) -> None:
        self._lanes, self._consumer, self._kernel, self._restorer = lanes, consumer, kernel, restorer
        self._assigned: set[Place] = set()
        self._whole: set[Slice] = set()
        self._live: set[Slice] = set()
        self._known: set[Slice] = set()
        self._live_inputs: tuple[Place, ...] = ()
        self._told: set[Slice] = set()

    @property
    def live(self) -> Collection[Slice]:
        return self._live

    @property
    def live_inputs(self) -> Collection[Place]:
        """Every partition that is read now."""
        return self._live_inputs

    @property
    def waiting(self) -> bool:
        """Whether a slice is whole, but not restored yet."""
        return self._whole != self._live

    def assigned(self, places: Iterable[Place]) -> None:
        """These partitions came here; nothing is read of them yet."""
        self._assigned.update(places)
        self._count_whole()

    def revoked(self, places: Iterable[Place]) -> None:
        """These partitions go elsewhere, and with them their slices; what they held uncommitted is lost."""
        self._assigned.difference_update(places)
        self._count_whole()
        for owned in self._known - self._whole:
            self._known.discard(owned)
            self._restorer.drop(owned)
            if owned in self._live:
                self._live.discard(owned)
                self._kernel.close(owned.lane, owned.number)
                rest = self._lanes.inputs(owned) & self._assigned
                if rest:
                    with told(f"pausing slice {owned}"):
                        self._consumer.pause(kafka(rest))
        self._changed()

    def restore_some(self, seconds: float) -> None:
        """Restore for about so long, and begin to read what is complete."""
        for owned in sorted(self._whole - self._known):
            self._known.add(owned)
            self._restorer.begin(owned, self._lanes.inputs(owned))
        done = self._restorer.some(seconds)
        for owned in done:
            with told(f"resuming slice {owned}"):
                self._consumer.resume(kafka(self._lanes.inputs(owned)))
        self._live.update(done)
        if done:
            self._changed()

    def _count_whole(self) -> None:
        touched = {self._lanes.slice(place) for place in self._assigned}
        self._whole = {owned for owned in touched if self._lanes.inputs(owned) <= self._assigned}

    def _changed(self) -> None:
        self._live_inputs = tuple(sorted(place for owned in self._live for place in self._lanes.inputs(owned)))
        # Once none waits any more: a start would otherwise be a line for each slice.
        if not self.waiting:
            for how, which in (("gained", self._live - self._told), ("lost", self._told - self._live)):
                if which:
                    _log.info("%s slices %s; %d are live", how, ", ".join(map(str, sorted(which))), len(self._live))
            self._told = set(self._live)
