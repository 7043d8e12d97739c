"""One system, one run: started, watched from outside until it has committed everything, held against the oracle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

from tests.bench.cluster import Cluster
from tests.bench.errors import BenchError
from tests.bench.meter import Usage, usage
from tests.bench.systems import Place, System, duplicates_of_lane
from tests.bench.workload import PARTITIONS, SCHEMA, Outcome, plain

from gebus.kafka.connection import Connection

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0
RUN_SECONDS = 900.0
STOP_SECONDS = 15.0
LOOK_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `seconds` and `cpu_seconds` run from the assignment to the last commit."""

    system: str
    version: str
    guarantee: str
    events: int
    outputs: int
    seconds: float
    cpu_seconds: float
    events_per_s: int
    events_per_cpu_s: int
    peak_mb: int


@dataclass(frozen=True, slots=True)
class Source:
    """A topic full of W1, and what is to become of it."""

    topic: str
    events: int
    expected: Outcome
    feed_schema_id: int


@dataclass(frozen=True, slots=True)
class _Span:
    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(system: System, source: Source, place: Place, connection: Connection, cluster: Cluster) -> Row:
    """Run a system over the source, and refuse its figure unless it did all of the work and nothing else."""
    command = system.prepare(place)
    directory = place.build / system.name
    directory.mkdir(parents=True, exist_ok=True)
    report = directory / "report.json"
    report.unlink(missing_ok=True)
    if not system.lane:
        cluster.create(system.output)
        command = [*command, str(_write_task(system, source, connection, directory, report))]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=place.environment(),
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            span = _watch(process, system, source, cluster, directory / "log")
        finally:
            _stop(process)
    repeats = duplicates_of_lane(place) if system.lane else int(json.loads(report.read_text("utf-8"))["repeats"])
    found = cluster.read(system.output)
    check(system.name, Outcome(repeats, found.count, found.hex()), source.expected)
    return Row(
        system.name,
        system.version,
        system.guarantee,
        source.events,
        found.count,
        round(span.seconds, 3),
        round(span.cpu_seconds, 3),
        round(source.events / span.seconds),
        round(source.events / span.cpu_seconds),
        round(span.peak_mb),
    )


def check(name: str, found: Outcome, expected: Outcome) -> None:
    """Refuse an outcome that differs from the oracle's in anything."""
    for word, its, right in zip(
        ("repeats", "outputs", "digest"), asdict_values(found), asdict_values(expected), strict=True
    ):
        if its != right:
            raise BenchError(f"{name}: {word}: {its}, but the oracle has {right}: its figure does not count")


def asdict_values(outcome: Outcome) -> tuple[object, ...]:
    return tuple(asdict(outcome).values())


def _write_task(system: System, source: Source, connection: Connection, directory: Path, report: Path) -> Path:
    state = directory / "state"
    shutil.rmtree(state, ignore_errors=True)  # what an earlier run has seen would all be repeats
    state.mkdir()
    path = directory / "task.json"
    task = {
        "bootstrap": connection.bootstrap,
        "ca_file": str(connection.ca_file),
        "username": connection.principal,
        "password": str(connection.password.get_secret_value()),
        "group": system.group,
        "source": source.topic,
        "output": system.output,
        "events": source.events,
        "schema": plain(SCHEMA),
        "feed_schema_id": source.feed_schema_id,
        "state": str(state),
        "report": str(report),
        "store": system.store,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(task), "utf-8")
    return path


def _watch(process: subprocess.Popen[bytes], system: System, source: Source, cluster: Cluster, log: Path) -> _Span:
    pause = Event()
    deadline = time.monotonic() + START_SECONDS
    while cluster.assigned(system.group, source.topic) < PARTITIONS:
        _still(process, deadline, f"{system.name}: no assignment", log)
        pause.wait(LOOK_EVERY)
    began, first = time.monotonic(), usage(process.pid)
    deadline = began + RUN_SECONDS
    while (done := cluster.committed(system.group, source.topic)) < source.events:
        _still(process, deadline, f"{system.name}: {done} of {source.events} events committed", log)
        pause.wait(LOOK_EVERY)
    ended, last = time.monotonic(), usage(process.pid)
    return _span(ended - began, first, last)


def _span(seconds: float, first: Usage, last: Usage) -> _Span:
    return _Span(seconds, last.cpu_seconds - first.cpu_seconds, last.peak_mb)


def _still(process: subprocess.Popen[bytes], deadline: float, what: str, log: Path) -> None:
    status = process.poll()
    late = time.monotonic() > deadline
    if status is None and not late:
        return
    tail = "\n".join(log.read_text("utf-8", "replace").strip().splitlines()[-20:])
    raise BenchError(
        f"{what}, and {'time is up' if late else f'it ended with exit status {status}'}; {log} ends:\n{tail}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started: the session is its own."""
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
