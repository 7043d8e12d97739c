"""`python -m gebus.lanes`: one worker process, as the supervisor starts it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from gebus.lanes.messages import log_to_stderr
from gebus.lanes.process import WorkerOptions, exit_status, run_worker
from gebus.lanes.settings import LaneSettings


def main() -> int:
    """Run one worker from its command line."""
    parser = argparse.ArgumentParser(prog="gebus.lanes", description="One worker. Use `gebus run lanes` to run lanes.")
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--metrics-port", type=int, default=None)
    parser.add_argument("--restarts", type=int, default=0)
    settings = LaneSettings()
    parser.add_argument("--ledger-seconds", type=int, default=settings.ledger_seconds)
    parser.add_argument("--state-bytes", type=int, default=settings.state_bytes)
    parser.add_argument("--spill-bytes", type=int, default=settings.spill_bytes)
    parser.add_argument("--snapshot-bytes", type=int, default=settings.snapshot_bytes)
    given = parser.parse_args()
    log_to_stderr(f"slot {given.slot}")
    settings = replace(
        settings,
        ledger_seconds=given.ledger_seconds,
        state_bytes=given.state_bytes,
        spill_bytes=given.spill_bytes,
        snapshot_bytes=given.snapshot_bytes,
    )
    options = WorkerOptions(given.slot, given.catalogue, given.metrics_port, given.restarts, settings)
    return exit_status(lambda: run_worker(options), given.slot)


if __name__ == "__main__":
    sys.exit(main())
