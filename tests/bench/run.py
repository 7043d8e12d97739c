"""One system, one run: started, watched from outside until it has committed everything, held against the oracle."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.cluster import Cluster
from tests.bench.digest import Digest, Outcome
from tests.bench.errors import BenchError
from tests.bench.meter import Usage, usage
from tests.bench.process import Process, kill, running, until
from tests.bench.source import PARTITIONS, Source
from tests.bench.systems import Place, System, duplicates_of_lane

START_SECONDS = 90.0
RUN_SECONDS = 120.0
SLOWEST = 10_000  # events a second: below it a system has no figure


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `seconds` and `cpu_seconds` run from the assignment to the last commit.

    `restart_seconds`, where a system was killed: from its start to the first record that was not there before.
    """

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
    restart_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(system: System, source: Source, feed: str, place: Place, cluster: Cluster) -> Row:
    """Run a system over the source, and refuse its figure unless it did all of the work and nothing else.

    `feed` is the topic into which a lane delivers; a peer gets one of its own.
    """
    attempt = _Attempt(system, source, feed if system.lane else f"bench.{system.name}", place, cluster)
    row = attempt.measured()
    if not system.lane:
        cluster.delete(attempt.output)
    return row


def check(name: str, found: Outcome, expected: Outcome) -> None:
    """Refuse an outcome that differs from the oracle's in anything."""
    right = asdict(expected)
    for word, its in asdict(found).items():
        if its != right[word]:
            raise BenchError(f"{name}: {word}: {its}, but the oracle has {right[word]}: its figure does not count")


class _Attempt:
    """A system at its work."""

    def __init__(self, system: System, source: Source, output: str, place: Place, cluster: Cluster) -> None:
        self.output = output
        self._system, self._source, self._place = system, source, place
        self._cluster = cluster
        self._directory = place.build / system.name
        shutil.rmtree(self._directory, ignore_errors=True)  # what an earlier run has seen would all be repeats
        (self._directory / "state").mkdir(parents=True)
        self._log = self._directory / "log"
        self._command = system.prepare(place)
        self._repeats = 0

    def measured(self) -> Row:
        """All of it: the run, the kill and the restart where the source has a tail, the check."""
        system, source = self._system, self._source
        if not system.lane:
            self._cluster.create(self.output)
        events = source.events
        with self._running(events) as process:
            span = self._watch(process)
            if source.tail is not None:
                kill(process)
        restart = None if source.tail is None else round(self._restart(), 3)
        found = self._cluster.read(self.output, Digest(derived=source.derived))
        if system.lane:
            self._repeats = duplicates_of_lane(self._place)
        repeats = None if source.expected.repeats is None else self._repeats
        check(system.name, Outcome(found.count, found.hex(), repeats), source.expected)
        return Row(
            system.name,
            system.version,
            system.guarantee,
            events,
            found.count,
            round(span.seconds, 3),
            round(span.cpu_seconds, 3),
            round(events / span.seconds),
            round(events / span.cpu_seconds),
            round(span.peak_mb),
            restart,
        )

    @contextmanager
    def _running(self, events: int) -> Iterator[Process]:
        """The system, at work on so many events; what it reports of itself is read when it has stopped."""
        report = self._directory / "report.json"
        report.unlink(missing_ok=True)
        command = self._command if self._system.lane else [*self._command, str(self._write_task(events, report))]
        with running(command, self._place.environment(), self._log) as process:
            yield process
        if not self._system.lane and self._source.expected.repeats is not None:
            self._repeats += int(json.loads(report.read_text("utf-8"))["repeats"])

    def _watch(self, process: Process) -> _Span:
        name, group, topics = self._system.name, self._system.group, self._source.topics
        held = PARTITIONS * len(topics)
        until(
            lambda: self._cluster.assigned(group, topics) >= held,
            process, self._log, START_SECONDS, lambda: f"{name}: no assignment",
        )  # fmt: skip
        began, first = time.monotonic(), usage(process.pid)
        self._until_committed(process, self._source.events)
        return _span(time.monotonic() - began, first, usage(process.pid))

    def _until_committed(self, process: Process, events: int) -> None:
        group, topics = self._system.group, self._source.topics
        until(
            lambda: self._cluster.committed(group, topics) >= events,
            process, self._log, RUN_SECONDS + events / SLOWEST,
            lambda: f"{self._system.name}: {self._cluster.committed(group, topics)} of {events} events committed",
        )  # fmt: skip

    def _restart(self) -> float:
        """Start what was killed again; the seconds to its first new record. What there is to do lies ready."""
        with self._cluster.first_new(self.output) as came:
            more = self._source.grow()
            began = time.monotonic()
            with self._running(more) as process:
                until(
                    lambda: came(0.005),
                    process,
                    self._log,
                    RUN_SECONDS,
                    lambda: f"{self._system.name}: nothing new after the restart",
                )
                seconds = time.monotonic() - began
                self._until_committed(process, self._source.events)
        return seconds

    def _write_task(self, events: int, report: Path) -> Path:
        connection, source = self._cluster.connection, self._source
        path = self._directory / "task.json"
        task = {
            "bootstrap": connection.bootstrap,
            "ca_file": str(connection.ca_file),
            "username": connection.principal,
            "password": str(connection.password.get_secret_value()),
            "group": self._system.group,
            "sources": source.topics,
            "output": self.output,
            "events": events,
            "schemas": source.schemas,
            "feed_schema": json.loads(source.feed.schema),
            "feed_schema_id": source.feed.id,
            "state": str(self._directory / "state"),
            "report": str(report),
            "store": self._system.store,
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(task), "utf-8")
        return path


def _span(seconds: float, first: Usage, last: Usage) -> _Span:
    return _Span(seconds, last.cpu_seconds - first.cpu_seconds, last.peak_mb)
