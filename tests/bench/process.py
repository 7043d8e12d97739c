"""A system as a process: started with a log, watched, ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from tests.bench.errors import BenchError

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 15.0
LOOK_EVERY = 0.02

Process = subprocess.Popen[bytes]


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Process]:
    """The command in a session of its own; it and all that it started are gone afterwards."""
    with log.open("ab") as target:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def kill(process: Process) -> None:
    """SIGKILL for the process and all that it started, at one moment."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def until(reached: Callable[[], bool], process: Process, log: Path, seconds: float, what: Callable[[], str]) -> None:
    """Wait for something that the process is to reach; BenchError with the end of its log if it ends or is late."""
    pause, deadline = Event(), time.monotonic() + seconds
    while not reached():
        status = process.poll()
        late = time.monotonic() > deadline
        if status is not None or late:
            tail = "\n".join(log.read_text("utf-8", "replace").strip().splitlines()[-20:])
            ending = "time is up" if late else f"it ended with exit status {status}"
            raise BenchError(f"{what()}, and {ending}; {log} ends:\n{tail}")
        pause.wait(LOOK_EVERY)


def _stop(process: Process) -> None:
    try:
        process.terminate()
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(STOP_SECONDS)
