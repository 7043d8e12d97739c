"""One worker: sessions, one after the other, until it is asked to stop or must leave."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path

from gebus.lanes.backoff import Backoff
from gebus.lanes.budget import Budget
from gebus.lanes.control import Control
from gebus.lanes.crash import CrashPoint
from gebus.lanes.kernels import Kernels
from gebus.lanes.ledger_age import LedgerAge
from gebus.lanes.membership import Membership
from gebus.lanes.meter import Meter
from gebus.lanes.places import Lanes
from gebus.lanes.ports import Clients, Clock, Stopping
from gebus.lanes.schemas import WriterSchemas
from gebus.lanes.session import Session
from gebus.lanes.settings import LaneSettings
from gebus.lanes.spill import Spill
from gebus.model.errors import GebusError, Stopped

_log = logging.getLogger(__name__)
_ALLOCATIONS_BETWEEN_COLLECTIONS = 200_000
"""A batch makes tens of thousands of short-lived objects and no cycles: collecting each 700 is work for nothing."""


class Worker:
    """Runs the lanes in one slot.

    Promised: what is uncertain ends a session, never the data: the next session begins from what is committed. Not
    promised: that it goes on for ever; after so many sessions in a row that committed nothing, it ends and says why.
    """

    def __init__(
        self,
        lanes: Lanes,
        kernels: Kernels,
        clients: Clients,
        schemas: WriterSchemas,
        meter: Meter,
        *,
        slot: int,
        clock: Clock,
        settings: LaneSettings,
        crash: CrashPoint,
        directory: Path,
        control: Control,
        ledger: LedgerAge | None = None,
    ) -> None:
        """Without `ledger` nothing waits for one."""
        self._lanes, self._kernels, self._clients, self._schemas = lanes, kernels, clients, schemas
        self._meter, self._slot, self._clock = meter, slot, clock
        self._settings, self._crash, self._directory, self._control = settings, crash, directory, control
        self._spill = Spill(directory, settings, clock)
        self._budget = Budget(self._spill.memory, clock)
        self._membership = Membership(directory, slot)
        self._ledger = ledger
        self._backoff = Backoff(settings.session_backoff, settings.session_backoff_ceiling)

    def run(self, stopping: Stopping, wait: Callable[[float], object]) -> None:
        """Work until `stopping`. Raises Fenced, or what cannot be got over; `wait` ends early when it is to stop."""
        gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
        try:
            self._succeed()
            self._sessions(stopping, wait)
        finally:
            self._spill.close()

    def _sessions(self, stopping: Stopping, wait: Callable[[float], object]) -> None:
        while not stopping():
            committed = self._meter.committed
            session = self._session()
            try:
                session.run(stopping)
            except GebusError as error:
                self._meter.session_ended()
                if not error.retriable:
                    raise
                if self._meter.committed > committed:
                    self._backoff.reset()
                self._pause(error, wait)
            else:
                if session.held_slot:
                    self._leave()

    def _succeed(self) -> None:
        """Take the member of a killed process of this slot out of the group, which would keep it for a session."""
        member = self._membership.inherit()
        if not member:
            return
        try:
            self._clients.leave(self._slot, member)
        except GebusError as error:  # it may be out already
            _log.debug("slot %d: what its last process left behind: %s", self._slot, error)

    def _leave(self) -> None:
        """A static member that closes says that it comes back, and the group keeps its slices for it."""
        self._membership.write("")
        try:
            self._clients.leave(self._slot)
        except GebusError as error:
            _log.warning("slot %d: its slices go to others only when its session is over: %s", self._slot, error)

    def _session(self) -> Session:
        kernel = self._kernels.new(partly=True)
        self._spill.give(kernel)
        return Session(
            self._lanes,
            kernel,
            self._clients,
            self._schemas,
            self._meter,
            slot=self._slot,
            clock=self._clock,
            settings=self._settings,
            crash=self._crash,
            directory=self._directory,
            budget=self._budget,
            membership=self._membership,
            spill=self._spill,
            unregistered=lambda: self._kernels.missing(kernel),
            control=self._control,
            ledger=self._ledger,
        )

    def _pause(self, error: GebusError, wait: Callable[[float], object]) -> None:
        if self._backoff.failures >= self._settings.session_attempts:
            raise Stopped(
                f"slot {self._slot}: {self._backoff.failures} sessions in a row committed nothing; the last: {error}"
            ) from error
        delay = self._backoff.next()
        _log.warning("slot %d: session ended: %s; the next begins in %.1f s", self._slot, error, delay)
        wait(delay)
