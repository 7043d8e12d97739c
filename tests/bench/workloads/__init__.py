"""The workloads: what each publishes, what every system is to make of it, and how much of it there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.errors import BenchError
from tests.bench.source import Fill
from tests.bench.workloads import w1, w2, w3, w4


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload. `size` goes to `fill`; `program` and `heap` are the class and the heap of Kafka Streams."""

    name: str
    title: str
    catalogue: Path
    feed: str
    fill: Fill
    size: int
    program: str
    heap: str


WORKLOADS = (
    Workload(
        "w1",
        "W1: deduplicate by id, keep masks dearer than 20 yuan, blank two personal fields",
        w1.CATALOGUE, w1.FEED, w1.fill, 1_000_000, "W1", "1g",
    ),
    Workload(
        "w2",
        "W2: join two streams within 14 days, each pair; half of either side has a partner",
        w2.CATALOGUE, w2.FEED, w2.fill, 1_000_000, "W2", "4g",
    ),
    Workload(
        "w3",
        "W3: join a stream with the newest row of a table",
        w3.CATALOGUE, w3.FEED, w3.fill, 1_000_000, "W3", "2g",
    ),
    Workload(
        "w4",
        "W4: W1 with twenty times as many ids; then killed and started again",
        w1.CATALOGUE, w1.FEED, w4.fill, 20_000_000, "W1", "8g",
    ),
)  # fmt: skip
"""In the order in which they run."""


def named(names: Sequence[str]) -> tuple[Workload, ...]:
    """The workloads that are named; all of them without names."""
    if unknown := sorted(set(names) - {workload.name for workload in WORKLOADS}):
        known = ", ".join(workload.name for workload in WORKLOADS)
        raise BenchError(f"no workload is called {', '.join(unknown)}; known are {known}")
    return tuple(workload for workload in WORKLOADS if not names or workload.name in names)
