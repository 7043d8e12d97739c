"""One run: a catalogue of its own on the fault stack, its load, its workers, what is done to them, and the verdict."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

from tests.fault.broker import FaultStack
from tests.fault.checker import KINDS, Anomaly, check
from tests.fault.expectation import Codec, expect
from tests.fault.history import History
from tests.fault.load import Load
from tests.fault.recorder import Recorder
from tests.fault.watch import OffsetsWatch
from tests.fault.world import PARTIES, write_catalogue
from tests.integration.lanes.kit import Bed, Running, alive, children, wait_until

from gebus.catalogue import load
from gebus.lanes.places import Place
from gebus.plan import lanes

_SETTLED_MS = 50
"""A request of a process that died may still arrive; what is committed later than this is not its own."""
_WORDS = 6_000
_LATE = "ms before records that were taken already"


@dataclass(frozen=True)
class Verdict:
    """What the checker says, and how long slices were not served."""

    anomalies: list[Anomaly]
    recoveries: list[tuple[str, float]]
    """What was done, and after how many seconds every slice had committed again."""
    late: int
    """How often a worker said that the broker showed a record too late for its place in the order."""

    @property
    def counts(self) -> dict[str, int]:
        """How many anomalies of each kind."""
        return {kind: sum(one.kind == kind for one in self.anomalies) for kind in KINDS}


class Stage:
    """Prepared when it is entered: topics made, publishers ready, nothing published."""

    def __init__(self, fault: FaultStack, root: Path, domain: str, events: int, seed: int) -> None:
        self.fault, self.domain, self.random, self.history = fault, domain, Random(seed), History()
        self._events, self._seed, self._late = events, seed, 0
        write_catalogue(root, domain)
        self.bed = Bed(fault.stack, root, domain)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.callback(self.bed.close)
        self.bed.apply()
        self.catalogue = load(self.bed.root)
        plans = lanes(self.catalogue)
        names = {part.contract: f"{part.contract}-value" for plan in plans for part in plan.inputs}
        names |= {feed.name: f"{feed.topic}-value" for plan in plans for feed in plan.feeds}
        with self.fault.stack.registry() as registry:
            ids = {name: registry.latest(subject).id for name, subject in names.items()}
        self.history.note("catalogue", domain=self.domain, seed=self._seed, events=self._events, ids=ids)
        codec, connection = Codec(plans, ids), self.fault.stack.connection()
        reader = self._open.enter_context(self.bed.reader())
        self.recorder = Recorder(plans, codec, reader, connection, self.fault.data)
        self.watch = self._open.enter_context(OffsetsWatch(connection, self.history, self.domain))
        keys = {part.contract: part.key for plan in plans for part in plan.inputs if not part.internal}
        encoders = {name.partition(".")[2]: (codec.contracts[name], key) for name, key in keys.items()}
        parties = {party: self.fault.stack.connection(party) for party in PARTIES}
        load_ = Load(self.history, parties, encoders, self.domain, events=self._events, seed=self._seed)
        self.load = load_
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @contextmanager
    def workers(self, count: int, **environment: str) -> Iterator[Running]:
        """Supervised workers that serve every slice, and the load on them."""
        with self.supervised(count, **environment) as running:
            running.wait_live(self.slices)
            with self.loaded():
                yield running
                self.finish()
            running.stop()

    @contextmanager
    def supervised(self, count: int, **environment: str) -> Iterator[Running]:
        """Workers under a supervisor."""
        with self.bed.workers(count, **environment) as running, self._telling(running):
            yield running

    @contextmanager
    def worker(self, slot: int, **environment: str) -> Iterator[Running]:
        """One worker without a supervisor."""
        with self.bed.worker(slot, **environment) as running, self._telling(running):
            yield running

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """The load begins, and every slice is served; it ends with the block."""
        with self.load:
            self.wait_served(now_ms())
            yield

    @property
    def slices(self) -> int:
        return sum(plan.partitions for plan in self.recorder.plans)

    def wait_served(self, since_ms: int) -> int:
        return self.watch.wait_served(self.recorder.inputs, since_ms, "every slice commits")

    def pause(self, least: float = 0.0, most: float = 1.5) -> None:
        """Let the load go on for a while that the seed chooses."""
        until = time.monotonic() + self.random.uniform(least, most)
        wait_until(lambda: time.monotonic() >= until, "a pause", seconds=most + 60, step=0.02)

    def end_worker(self, running: Running, number: signal.Signals) -> None:
        """Kill or stop one of the supervised workers, and wait until every slice is served again."""
        victim = self.random.choice(children(running.process.pid))
        self.end(f"worker {number.name}", victim, number)

    def end(self, what: str, pid: int, number: signal.Signals) -> None:
        """A signal that ends a process; served again from its end on."""
        started = self.note_fault(what)
        os.kill(pid, number)
        wait_until(lambda: not alive(pid), f"process {pid} has ended", step=0.02)
        self.served_again(what, started, now_ms() + _SETTLED_MS)

    def end_broker(self, number: signal.Signals) -> None:
        """Kill or stop the broker, start it again, and wait until every slice is served again."""
        what = f"broker {number.name}"
        started = self.note_fault(what)
        self.fault.broker.kill(number)
        self.fault.broker.start()
        self.fault.broker.wait_ready()
        self.served_again(what, started, now_ms())

    def note_fault(self, what: str) -> int:
        """Something is done now."""
        started = now_ms()
        self.history.note("fault", what=what, at_ms=started)
        return started

    def served_again(self, what: str, started_ms: int, since_ms: int) -> None:
        """Wait until every slice commits after `since_ms`, and note how long that took from `started_ms` on."""
        at_ms = self.wait_served(since_ms)
        self.history.note("served", what=what, seconds=round((at_ms - started_ms) / 1000, 2))

    def finish(self) -> None:
        """The rest of the load, and all of it taken."""
        self.load.finish()
        self._wait_taken([place for place in self.recorder.inputs if place not in self.recorder.internal])
        self._wait_taken(self.recorder.internal)

    def _wait_taken(self, places: list[Place]) -> None:
        ends = self.recorder.last_offsets(places)
        reached = self.watch.reached

        def left() -> list[str]:
            return [
                f"{place}: {reached[place]['offset'] if place in reached else 0} of {end + 1}"
                for place, end in ends.items()
                if place not in reached or reached[place]["offset"] <= end
            ]

        try:
            wait_until(lambda: not left(), "all is taken")
        except AssertionError as error:
            raise AssertionError(f"{error}: {', '.join(left())}") from None

    def verdict(self, path: Path) -> Verdict:
        """Record what there is, keep the history, and judge what was kept."""
        self.recorder.record(self.history)
        self.history.write(path)
        history = History.read(path)
        recoveries = [(event["what"], event["seconds"]) for event in history.of("served")]
        return Verdict(check(history, expect(history, self.catalogue)), recoveries, self._late)

    @contextmanager
    def _telling(self, running: Running) -> Iterator[None]:
        """If the block fails, add the workers' last words to what it says."""
        try:
            yield
        except BaseException as error:
            error.add_note(f"the workers' last words:\n{running.said[-_WORDS:]}")
            raise
        finally:
            self._late += running.said.count(_LATE)


def now_ms() -> int:
    return int(time.time() * 1000)
