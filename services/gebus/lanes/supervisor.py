"""Several workers, one process each, kept running."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from gebus.lanes.backoff import Backoff
from gebus.lanes.ports import Clock, Stopping
from gebus.lanes.settings import LaneSettings
from gebus.model.errors import Stopped

_log = logging.getLogger(__name__)

EXIT_FENCED = 3
"""Exit status of a worker that lost its slot to another process; 1 is any other error, 0 a stop that was asked for."""
EXIT_DENIED = 4
"""Exit status of a worker that Kafka or the registry refused: another try is refused too."""


class Process(Protocol):
    """The part of subprocess.Popen that the supervisor calls."""

    pid: int
    stdin: IO[bytes] | None

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Spawn = Callable[[int, int], Process]
"""(slot, restarts so far) -> its process. The process ends itself when its standard input ends."""


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    """The bounds of a supervisor, in seconds."""

    backoff: float = 0.5
    """From a worker's start to its next one, at first; twice that after each quick death."""
    backoff_ceiling: float = 5.0
    """A worker that was killed again and again by others is back within seconds all the same."""
    quick: float = 20.0
    """A worker that lived shorter died quickly."""
    quick_deaths: int = 20
    """So many in a row, and the supervisor gives up."""
    stop: float = 15.0
    """Longer than a commit may take; then a worker is killed, which loses nothing."""
    look: float = 0.1


@dataclass(slots=True)
class _Slot:
    number: int
    backoff: Backoff
    process: Process | None = None
    started_at: float = 0.0
    due: float = 0.0
    restarts: int = 0


class Supervisor:
    """Starts a worker for each slot, and again when one dies.

    Promised: when `run` returns or raises, no worker is left; when the supervisor is killed, its workers notice
    that their standard input has ended, and stop. Not promised: that a slot runs always; a worker that dies again
    and again, or is refused right after its start, is given up on, and then all are stopped, so that whatever runs
    the supervisor sees it.
    """

    def __init__(self, workers: int, spawn: Spawn, clock: Clock, settings: SupervisorSettings) -> None:
        self._spawn, self._clock, self._settings = spawn, clock, settings
        self._slots = [
            _Slot(number, Backoff(settings.backoff, settings.backoff_ceiling), due=clock.monotonic())
            for number in range(workers)
        ]

    def run(self, stopping: Stopping, wait: Callable[[float], object]) -> None:
        """Keep the workers running until `stopping`, then stop them all."""
        try:
            while not stopping():
                for slot in self._slots:
                    self._look_after(slot)
                wait(self._settings.look)
        finally:
            self._stop_all()

    def _look_after(self, slot: _Slot) -> None:
        now = self._clock.monotonic()
        if slot.process is None:
            if now >= slot.due:
                slot.process = self._spawn(slot.number, slot.restarts)
                slot.started_at = now
                _log.info("slot %d: started as process %d", slot.number, slot.process.pid)
            return
        status = slot.process.poll()
        if status is None:
            return
        _close_stdin(slot.process)
        slot.process = None
        if status == 0 or now - slot.started_at >= self._settings.quick:
            slot.backoff.reset()  # somebody stopped it, or it ran: nothing says that it will fail again
        elif status == EXIT_DENIED:
            raise Stopped(
                f"slot {slot.number}: its worker was refused, see its message above; what refuses it must be mended "
                "first; all workers are stopped"
            )
        if slot.backoff.failures >= self._settings.quick_deaths:
            raise Stopped(
                f"slot {slot.number}: its worker ended {slot.backoff.failures + 1} times within "
                f"{self._settings.quick:g} s of its start, the last time with {_told(status)}; "
                "see its messages above; all workers are stopped"
            )
        # From its start on: a worker that ran for a while and is killed need not wait, one that cannot start does.
        slot.due, slot.restarts = max(now, slot.started_at + slot.backoff.next()), slot.restarts + 1
        _log.warning("slot %d: ended with %s; starting it again in %.1f s", slot.number, _told(status), slot.due - now)

    def _stop_all(self) -> None:
        running = [(slot.number, slot.process) for slot in self._slots if slot.process is not None]
        if running:
            _log.info("stopping %d workers", len(running))
        for _, process in running:
            process.terminate()
        deadline = self._clock.monotonic() + self._settings.stop
        for number, process in running:
            try:
                process.wait(max(0.0, deadline - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                _log.error("slot %d: did not stop within %g s and is killed", number, self._settings.stop)
                process.kill()
                process.wait()
            _close_stdin(process)
        for slot in self._slots:
            slot.process = None


def worker_command(
    slot: int, catalogue: Path, metrics_port: int | None, restarts: int, settings: LaneSettings
) -> list[str]:
    """The command line of a worker process, for `python -m gebus.lanes`."""
    bounds = {"state": settings.state_bytes, "spill": settings.spill_bytes, "snapshot": settings.snapshot_bytes}
    state = [word for name, size in bounds.items() for word in (f"--{name}-bytes", str(size))]
    state += ["--ledger-seconds", str(settings.ledger_seconds)]
    port = [] if metrics_port is None else ["--metrics-port", str(metrics_port)]
    options = ["--slot", str(slot), "--catalogue", str(catalogue), *state, "--restarts", str(restarts), *port]
    return [sys.executable, "-m", "gebus.lanes", *options]


def spawn_worker(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a worker whose standard input ends when this process does, however it ends."""
    return subprocess.Popen([*command], stdin=subprocess.PIPE)


def _close_stdin(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _told(status: int) -> str:
    if status < 0:
        return f"signal {-status}"
    meaning = {EXIT_FENCED: " (fenced: its slot was taken)", EXIT_DENIED: " (refused)"}
    return f"exit status {status}{meaning.get(status, '')}"
