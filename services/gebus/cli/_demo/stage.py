"""What the demo plays on: a stack of its own, the catalogue applied to it, and lanes that run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from gebus import plan
from gebus.catalogue import Places, load
from gebus.cli._instant import today
from gebus.cli._paper import PaperGrants
from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.kafka.lane_clients import open_reader
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place
from gebus.lanes.settings import GROUP
from gebus.model.catalogue import Catalogue
from gebus.model.errors import ContractError, Unavailable
from gebus.provision import Notebook, apply, compare, desired, observe
from gebus.stack import artifacts
from gebus.stack.layout import ADMIN, Ports
from gebus.stack.report import Report
from gebus.stack.stack import down, up

_LOOK_SECONDS = 0.1
_STOP_SECONDS = 20


def checked(root: Path) -> Catalogue:
    """The catalogue, or ContractError with every finding."""
    catalogue = load(root)
    if findings := plan.check(catalogue, Places(root)):
        raise ContractError(findings)
    return catalogue


@dataclass(frozen=True, slots=True)
class Stage:
    """A stack that is up, with a catalogue applied. `admin` is open as long as the stage is."""

    home: Path
    root: Path
    catalogue: Catalogue
    lanes: tuple[plan.LanePlan, ...]
    admin: Admin

    def connection(self, principal: str) -> Connection:
        return Connection.load(principal, self.home)

    @property
    def source_topics(self) -> list[str]:
        return sorted(
            {topic for lane in self.lanes for part in lane.inputs if not part.internal for topic in part.topics}
        )

    def has_begun(self) -> bool:
        """Whether the lanes have committed anything."""
        return bool(self.admin.committed(GROUP))

    def wait_until_taken(self, timeout: float) -> None:
        """Wait until the lanes have taken every record that the sources hold now, and what they made of those."""
        self._wait_until_taken(self.admin.ends(self.source_topics), timeout)
        # What lanes wrote for each other was committed together with what they took.
        self._wait_until_taken(self._internal_ends(), timeout)

    def _internal_ends(self) -> dict[tuple[str, int], int]:
        """Behind the last record of each partition that lanes write for lanes; a transaction's mark lies later."""
        copies = [(rekey.topic, rekey.partitions) for lane in self.lanes for rekey in lane.rekeys]
        places = [Place(topic, number) for topic, partitions in copies for number in range(partitions)]
        with closing(open_reader(self.connection(ADMIN), "demo")) as reader:
            return {
                (message.topic(), message.partition()): message.offset() + 1 for message in read_to_end(reader, places)
            }

    def _wait_until_taken(self, ends: Mapping[tuple[str, int], int], timeout: float) -> None:
        behind = dict(ends)

        def caught_up() -> bool:
            committed = self.admin.committed(GROUP)
            behind.clear()
            behind.update({place: end for place, end in ends.items() if end > committed.get(place, 0)})
            return not behind

        if not wait_for(caught_up, timeout):
            places = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(behind)[:5])
            raise Unavailable(
                f"the lanes have not taken everything after {timeout:g} s: {len(behind)} partitions wait, "
                f"first {places}; their log is {self.home}/logs/lanes.log"
            )


@contextmanager
def stage(root: Path, home: Path, ports: Ports, report: Report, *, keep: bool) -> Iterator[Stage]:
    """Bring a fresh stack up and apply the catalogue; take it down at the end, unless it is kept."""
    catalogue = checked(root)
    lanes = tuple(plan.lanes(catalogue, on=today()))
    up(home, artifacts.cache(), ports, report, fresh=True)
    try:
        with Admin(Connection.load(ADMIN, home)) as admin:
            _apply(catalogue, lanes, admin, home, root)
            yield Stage(home, root.absolute(), catalogue, lanes, admin)
    finally:
        if not keep:
            down(home, report)


def _apply(catalogue: Catalogue, lanes: tuple[plan.LanePlan, ...], admin: Admin, home: Path, root: Path) -> None:
    connection, secrets = Connection.load(ADMIN, home), Secrets(home / "secrets")
    papers, notebook = PaperGrants(connection, admin, catalogue), Notebook(connection)
    wanted = desired(catalogue, lanes, papers.granted)
    with Registry(connection) as registry:
        there = observe(admin, registry, secrets, notebook, [schema.subject for schema in wanted.schemas])
        changes = compare(wanted, there, root, now_ms=time.time_ns() // 1_000_000)
        apply(changes.additions, admin, registry, secrets, notebook)
    papers.record()


class Workers:
    """`gebus run lanes` as a child, and the worker processes below it."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = psutil.Process(child.pid)
        self._known: set[int] = set()

    def pids(self) -> set[int]:
        """The worker processes that live now."""
        try:
            return {child.pid for child in self._child.children(recursive=True) if _is_worker(child)}
        except psutil.NoSuchProcess:
            return set()

    def kill_one(self) -> int:
        """SIGKILL a worker, and give its process id; 0 if there is none."""
        self._known = self.pids()
        for pid in sorted(self._known):
            psutil.Process(pid).kill()
            return pid
        return 0

    def successor(self, timeout: float) -> int:
        """The worker that took the place of the killed one; 0 if none does within `timeout` seconds."""
        wait_for(lambda: bool(self.pids() - self._known), timeout)
        return min(self.pids() - self._known, default=0)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "--slot" in process.cmdline()
    except psutil.Error:
        return False


@contextmanager
def running_lanes(on: Stage, workers: int) -> Iterator[Workers]:
    """Run the lanes while the block lasts, with their messages in the home's logs."""
    log = on.home / "logs" / "lanes.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", "from gebus.cli import main; main()", "run", "lanes", "--workers", str(workers)]
    environment = {**os.environ, "GEBUS_HOME": str(on.home), "GEBUS_CATALOGUE": str(on.root)}
    with log.open("wb") as sink, subprocess.Popen(command, env=environment, stdout=sink, stderr=sink) as child:
        try:
            yield Workers(child)
        finally:
            child.terminate()
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def wait_for(condition: Callable[[], bool], timeout: float) -> bool:
    """Whether the condition came to hold within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
