"""The slices of one worker: which are whole, which are being restored, which are live."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING
from gebus_kernel import Kernel

from gebus.lanes.errors import told
from gebus.lanes.places import Lanes, Place, Share, Slice, kafka
from gebus.lanes.ports import Consumer
from gebus.lanes.restore import Restorer
from gebus.lanes.restoring import Refusal

_log = logging.getLogger(__name__)


class Slices:
    """Follows the group's assignment, share by share.

    A share is worked on only while all its inputs are assigned here: its slices are restored when the last of them
    comes, and closed before the first of them goes. Its partitions are read only while it is live. One whose state
    cannot be restored stands still, assigned and unread, and all others go on.
    """

    def __init__(self, lanes: Lanes, consumer: Consumer, kernel: Kernel, restorer: Restorer) -> None:
        self._lanes, self._consumer, self._kernel, self._restorer = lanes, consumer, kernel, restorer
        self._assigned: set[Place] = set()
        self._whole: set[Share] = set()
        self._live: set[Share] = set()
        self._known: set[Share] = set()
        self._refused: dict[Share, Refusal] = {}
        self._restored: set[Slice] = set()
        self._live_places: tuple[Place, ...] = ()
        self._told: set[Share] = set()

    @property
    def live(self) -> Collection[Slice]:
        return [owned for share in sorted(self._live) for owned in self._lanes.slices(share)]

    @property
    def live_shares(self) -> Collection[Share]:
        return self._live

    @property
    def live_places(self) -> Collection[Place]:
        """Every partition that is read now."""
        return self._live_places

    @property
    def waiting(self) -> bool:
        """Whether a share is whole, but not restored yet."""
        return self._whole != self._live | self._refused.keys()

    @property
    def refused(self) -> dict[Share, Refusal]:
        """The shares that stand still because of their state, and why."""
        return dict(self._refused)

    def retry(self) -> None:
        """Restore again what was refused for something that may be over."""
        for share in [share for share, why in self._refused.items() if why.passes]:
            del self._refused[share]
            self._known.discard(share)

    def assigned(self, places: Iterable[Place]) -> None:
        """These partitions came here; nothing is read of them yet."""
        self._assigned.update(places)
        self._count_whole()

    def revoked(self, places: Iterable[Place]) -> None:
        """These partitions go elsewhere, and with them their slices; what they held uncommitted is lost."""
        gone = set(places)
        self._assigned -= gone
        self._count_whole()
        for share in self._known - self._whole:
            self._known.discard(share)
            self._live.discard(share)
            self._refused.pop(share, None)
            self._close(share)
            rest = self._lanes.places(share) & self._assigned
            if rest:
                with told(f"pausing {', '.join(map(str, sorted(rest)))}"):
                    self._consumer.pause(kafka(rest))
        self._changed()

    def restore_some(self, seconds: float) -> list[Share]:
        """Restore for about so long, and begin to read what is complete; returns the shares that are now live."""
        for share in sorted(self._whole - self._known):
            self._known.add(share)
            for owned in self._lanes.slices(share):
                self._restorer.begin(owned, self._lanes.places(share))
        self._restored.update(self._restorer.some(seconds, alone=not self._live))
        self._refuse(self._restorer.refused())
        done = [share for share in self._known - self._live if self._restored.issuperset(self._lanes.slices(share))]
        for share in done:
            self._begin_to_read(self._lanes.places(share))
        self._live.update(done)
        if done:
            self._changed()
        return done

    def _refuse(self, refused: Mapping[Slice, Refusal]) -> None:
        for share in self._known - self._live if refused else ():
            found = [refused[owned] for owned in self._lanes.slices(share) if owned in refused]
            if found:
                self._refused[share] = found[0]
                self._close(share)

    def _close(self, share: Share) -> None:
        """Forget its state, as far as it is restored."""
        for owned in self._lanes.slices(share):
            self._restorer.drop(owned)
            if owned in self._restored:
                self._restored.discard(owned)
                self._kernel.close(owned.lane, owned.number)

    def without_offset(self, shares: Iterable[Share]) -> list[Place]:
        """The partitions of these that the group has no offset of, although records of them were taken.

        Without an offset a partition is read from its beginning: once, before anything was taken of it.
        """
        starts = self._restorer.starts
        places = [place for share in shares for place in self._lanes.places(share) if starts.get(place, -1) < 0]
        accounts = self._kernel.accounts() if places else ()
        taken = {(account.topic, account.slice) for account in accounts if account.taken}
        return [place for place in sorted(places) if place in taken]

    def _begin_to_read(self, places: frozenset[Place]) -> None:
        """Where the group stands, also what is here since before: what was read of that may not have been taken."""
        starts = {place: self._restorer.starts.get(place, -1) for place in places}
        for place, start in starts.items():
            if start >= 0:
                self._go_to(place, start)
        with told(f"resuming {', '.join(map(str, sorted(places)))}"):
            self._consumer.resume(kafka(places))
        for place, start in starts.items():
            if start < 0:  # after resuming, which would make the broker's answer void
                self._go_to(place, OFFSET_BEGINNING)

    def _go_to(self, place: Place, offset: int) -> None:
        with told(f"going to offset {offset} of {place}"):
            self._consumer.seek(place.kafka(offset))

    def _count_whole(self) -> None:
        touched = {self._lanes.share(place) for place in self._assigned}
        self._whole = {share for share in touched if self._lanes.places(share) <= self._assigned}

    def _changed(self) -> None:
        self._live_places = tuple(sorted(place for share in self._live for place in self._lanes.places(share)))
        # Once none waits any more: a start would otherwise be a line for each slice.
        if not self.waiting:
            for how, which in (("gained", self._live - self._told), ("lost", self._told - self._live)):
                if which:
                    names = [str(owned) for share in which for owned in self._lanes.slices(share)]
                    count = sum(len(self._lanes.slices(share)) for share in self._live)
                    _log.info("%s slices %s; %d are live", how, ", ".join(sorted(names)), count)
            self._told = set(self._live)
