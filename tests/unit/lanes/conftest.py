"""What every test of lanes works with: a lane of two publishers and two slices, on a fake log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.lanes.fake_clients import FakeClients
from tests.unit.lanes.fake_kafka import FakeKafka, ManualClock, Place
from tests.unit.lanes.fake_kernel import FakeKernel

from gebus.lanes.crash import CrashPoint
from gebus.lanes.meter import Meter
from gebus.lanes.places import Lanes
from gebus.lanes.schemas import WriterSchemas
from gebus.lanes.settings import LaneSettings
from gebus.lanes.worker import Worker
from gebus.model.errors import NotFound, Unavailable
from gebus.model.feed import Grant
from gebus.model.leaf import LEAF_TOPIC, Leaf, Message
from gebus.plan import FeedPlan, InputPlan, LanePlan

LANE = "a.b"
TOPICS = ("a.b.x", "a.b.y")
PLACES = [(topic, partition) for topic in TOPICS for partition in (0, 1)]


def lane_plan(
    name: str = LANE, topics: tuple[str, ...] = TOPICS, partitions: int = 2, *, ordered: bool = False
) -> LanePlan:
    parties = {topic: topic.rpartition(".")[2] for topic in topics}
    source = InputPlan(name, name, False, parties, {}, ("entity_id",), 1, 1, 100, 0.5)
    return LanePlan(name, partitions, (source,), (), (), ordered=ordered)


OUTPUT: dict[str, Any] = {"type": "record", "name": "Out", "namespace": "x", "fields": []}


def with_feed(plan: LanePlan, policy: str = "0123456789abcdef") -> LanePlan:
    """The lane with the feed `cdc/masks`."""
    grant = Grant(basis="b", approved_by="dxy", approved_on=date(2026, 1, 1), expires_on=date(2027, 1, 1))
    feed = FeedPlan(
        name="cdc/masks", topic="feed.cdc.masks", consumer="cdc", purpose="tracing", tier=1, partitions=1,
        retention=timedelta(days=1), grant=grant, grant_expires_ms=1, source=0, relation=None, steps=(),
        follow_ms=None, select="out", fields=(), output_schema=OUTPUT, mode="any", tokens=None,
    )  # fmt: skip
    return replace(plan, feeds=(feed,), policy=policy)


@dataclass
class FakeRegistry:
    """Answers what it was told, or nothing while it is down."""

    subjects: dict[int, frozenset[str]] = field(default_factory=dict)
    schemas: dict[int, str] = field(default_factory=dict)
    down: bool = False
    asked: list[int] = field(default_factory=list)

    def subjects_of(self, id: int) -> frozenset[str]:  # noqa: A002 - the registry's own word
        self.asked.append(id)
        if self.down:
            raise Unavailable("the registry does not answer")
        return self.subjects.get(id, frozenset())

    def schema_by_id(self, id: int) -> str:  # noqa: A002 - the registry's own word
        if id not in self.schemas:
            raise NotFound(f"no schema {id}")
        return self.schemas[id]


class FakeKernels:
    """A fake kernel for each session, taught what is pinned."""

    def __init__(self, schemas: WriterSchemas, *, ordered: bool) -> None:
        self.schemas, self.ordered = schemas, ordered
        self.made: list[FakeKernel] = []
        self.unregistered: dict[str, str] = {}

    def missing(self, _: FakeKernel) -> Mapping[str, str]:
        return self.unregistered

    def new(self, *, partly: bool) -> FakeKernel:
        assert partly, "what a lane lacks is no other lane's trouble"
        self.made.append(FakeKernel(LANE, ordered=self.ordered))
        for learnt in self.schemas.pinned.values():
            learnt.teach(self.made[-1])
        return self.made[-1]


@dataclass
class FakeControl:
    """Everything is granted, and changes are said as often as a test wants."""

    changes: int = 0
    told: list[FakeKernel] = field(default_factory=list)
    open_when_told: list[int] = field(default_factory=list)
    """How many records were delivered and not committed, each time."""
    log: list[str] = field(default_factory=list)
    """What was asked of it, beside what a test writes into it."""

    def confirm(self) -> None:
        self.log.append("confirmed")

    def changed(self) -> bool:
        self.log.append("looked")
        self.changes -= 1
        return self.changes >= 0

    def tell(self, kernel: Any, leaves: object, *, confirm: bool) -> None:  # noqa: ARG002 - the signature of Control.tell
        self.told.append(kernel)
        self.log.append("told and confirmed" if confirm else "told")
        self.open_when_told.append(sum(map(len, kernel.fresh.values())))


class Bench:
    """A worker on a fake log, run for as long as a test says."""

    def __init__(self, directory: Path, *, ordered: bool = False) -> None:
        self.directory = directory
        self.clock = ManualClock()
        self.kafka = FakeKafka(self.clock)
        self.registry = FakeRegistry()
        self.settings = LaneSettings(session_attempts=5)
        self.lanes = Lanes([with_feed(lane_plan(ordered=ordered))])
        self.clients = FakeClients(self.kafka, PLACES)
        self.schemas = WriterSchemas(self.registry, self.clock, self.settings)
        self.kernels = FakeKernels(self.schemas, ordered=ordered)
        self.meter = Meter(FakeKernel.LATENCY_BOUNDS_MS)
        self.environment: dict[str, str] = {}
        self.control = FakeControl()

    def worker(self, slot: int = 0, clients: FakeClients | None = None) -> Worker:
        crash = CrashPoint(self.environment, _crash)
        return Worker(
            self.lanes, self.kernels, clients or self.clients, self.schemas, self.meter,
            slot=slot, clock=self.clock, settings=self.settings, crash=crash,
            directory=self.directory, control=self.control,
        )  # fmt: skip

    def publish(self, *texts: str, place: Place = PLACES[0]) -> None:
        for text in texts:
            self.kafka.append(place, text.encode(), key=text[:1].encode(), headers=[("trace", b"\x00\xff")])

    def run(self, worker: Worker | None = None, turns: int = 120) -> None:
        """Let a worker work for so many turns, in however many sessions, and stop it."""
        left = [turns]

        def stopping() -> bool:
            left[0] -= 1
            return left[0] < 0

        (worker or self.worker()).run(stopping, self.clock.pass_)

    def delivered(self) -> list[str]:
        return [(record.value or b"").decode() for record in self.kafka.visible((f"feed.{LANE}", 0))]

    def leaves(self) -> list[Leaf]:
        return [Message.decode(one.value, "a test").leaf for one in self.kafka.visible((LEAF_TOPIC, 0))]

    def dead(self) -> list[bytes | None]:
        return [record.value for record in self.kafka.visible((f"dead.{LANE}", 0))]

    @property
    def consumer(self):
        return self.clients.sources[-1]


class Crashed(BaseException):
    """The process was killed: nothing of it runs any more, not even what catches errors."""


def _crash() -> None:
    raise Crashed


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "state")
    yield made
    made.schemas.close()


@pytest.fixture
def ordered_bench(tmp_path: Path) -> Iterator[Bench]:
    """The same with a lane that takes its two topics in the order of the log's time."""
    made = Bench(tmp_path / "state", ordered=True)
    yield made
    made.schemas.close()
