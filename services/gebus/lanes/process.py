"""A worker as a process: what it is given, how it is stopped, and how it ends."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from gebus_kernel import Kernel

from gebus.catalogue import load
from gebus.kafka import Connection, stack_home
from gebus.kafka.registry import Registry
from gebus.lanes.clients import LaneClients
from gebus.lanes.control import LaneControl
from gebus.lanes.crash import CrashPoint
from gebus.lanes.errors import Fenced
from gebus.lanes.kernels import Kernels
from gebus.lanes.ledger_age import LedgerAge
from gebus.lanes.meter import Meter
from gebus.lanes.metrics import serve_metrics
from gebus.lanes.places import Lanes
from gebus.lanes.ports import SystemClock
from gebus.lanes.schemas import WriterSchemas
from gebus.lanes.settings import PRINCIPAL, LaneSettings
from gebus.lanes.snapshot import tidy
from gebus.lanes.supervisor import EXIT_DENIED, EXIT_FENCED
from gebus.lanes.token_keys import master_secret
from gebus.lanes.worker import Worker
from gebus.model.errors import Denied, GebusError
from gebus.plan import lanes

_log = logging.getLogger(__name__)
_SETTINGS = LaneSettings()


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What one worker process is told by `supervisor.worker_command`."""

    slot: int
    catalogue: Path
    metrics_port: int | None
    restarts: int = 0
    settings: LaneSettings = _SETTINGS


def run_worker(options: WorkerOptions) -> None:
    """Work in a slot until SIGTERM, SIGINT or the end of standard input; then stop, within 2 s."""
    stop = threading.Event()
    _stop_on_signals(stop)
    _stop_with_supervisor(stop)
    settings, clock = options.settings, SystemClock()
    crash = CrashPoint(os.environ)
    catalogue = load(options.catalogue)
    today = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()
    running = Lanes(lanes(catalogue, on=today))
    directory = stack_home() / "state"
    tidy(directory, running.plans, clock.now_ms())
    connection = Connection.load(PRINCIPAL)
    meter = Meter(Kernel.LATENCY_BOUNDS_MS, options.restarts)
    server = None if options.metrics_port is None else serve_metrics(meter, options.metrics_port)
    with Registry(connection) as registry:
        contracts = {name: one.contract for name, one in running.inputs.items()}
        schemas = WriterSchemas(registry, clock, settings, contracts)
        kernels = Kernels(running, Kernel, registry, schemas, master_secret(stack_home()))
        clients = LaneClients(connection)
        control = LaneControl(lambda: clients.control_reader(options.slot), catalogue.feeds, clock)
        worker = Worker(
            running, kernels, clients, schemas, meter,
            slot=options.slot, clock=clock, settings=settings, crash=crash,
            directory=directory, control=control, ledger=LedgerAge(clients.asker, clock, settings.ledger_seconds),
        )  # fmt: skip
        try:
            gc.freeze()  # what the start has made lives as long as the process: no collection need look at it
            worker.run(stop.is_set, stop.wait)
        finally:
            schemas.close()
            control.close()
            if server is not None:
                server.shutdown()


def exit_status(run: Callable[[], None], slot: int) -> int:
    """Run a worker; its exit status, and its last words on standard error."""
    try:
        run()
    except Fenced as error:
        _log.error("slot %d: %s", slot, error)
        return EXIT_FENCED
    except Denied as error:
        _log.error("slot %d: %s", slot, error)
        return EXIT_DENIED
    except GebusError as error:
        _log.error("slot %d: %s", slot, error)
        return 1
    _log.info("slot %d: stopped", slot)
    return 0


def _stop_on_signals(stop: threading.Event) -> None:
    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def _stop_with_supervisor(stop: threading.Event) -> None:
    """Standard input is a pipe from the supervisor: it ends when that process does, also if it is killed."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        stop.set()

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
