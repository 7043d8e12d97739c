"""The grants that the catalogue names as decided on paper, as `gebus apply` records them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.model.catalogue import Catalogue
from gebus.model.control import GRANTS_TOPIC, Known
from gebus.model.grant import FeedGrants
from gebus.model.person import THE_BUS

if TYPE_CHECKING:
    from gebus.control.log import Written


@dataclass(frozen=True, slots=True)
class RecordGrant:
    """One grant that a feed's file names."""

    name: str
    detail: str
    mark, action = "+", "record grant"


class PaperGrants:
    """What is to be recorded, and which feeds have a live grant then. Without the extra `lanes` nothing is recorded."""

    def __init__(self, connection: Connection, admin: Admin, catalogue: Catalogue) -> None:
        self._connection, self._catalogue = connection, catalogue
        self._there = GRANTS_TOPIC in admin.topics()

    @cached_property
    def _known(self) -> tuple[Known, int]:
        from gebus.control.log import ControlLog
        from gebus.lanes.ports import SystemClock

        known = ControlLog(self._connection, SystemClock()).read() if self._there else Known()
        return known, max(SystemClock().now_ms(), known.newest_ms)

    @cached_property
    def _words(self) -> list[Written]:
        from gebus.control.paper import recordings

        return list(recordings(self._catalogue, *self._known))

    @property
    def changes(self) -> list[RecordGrant]:
        """For people: what `record` will do."""
        found = []
        for word in self._words:
            if isinstance(word.value, FeedGrants):
                grant = word.value.newest
                found.append(RecordGrant(grant.id, f"approved on paper by {grant.recorded_from}"))
        return found

    @property
    def granted(self) -> frozenset[str]:
        """The feeds with a live grant, those to be recorded included."""
        known, now = self._known
        recorded = {word.about: word.value for word in self._words if isinstance(word.value, FeedGrants)}
        return frozenset(name for name, held in {**known.grants, **recorded}.items() if held.active(now) is not None)

    def record(self) -> None:
        """Write them into the control topics, which are there by now."""
        if not self._words:
            return
        from gebus.control.log import ControlLog
        from gebus.control.paper import recordings
        from gebus.lanes.ports import SystemClock

        def decide(known: Known, now: int) -> Iterable[Written]:
            return recordings(self._catalogue, known, now)

        log = ControlLog(self._connection, SystemClock())
        log.change(lambda known, now: list(decide(known, now)), {"verb": "record", "by": THE_BUS.id})
