"""What a workload gives the bench: topics full of events, and what is to become of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.bench.digest import Outcome

SCHEMAS = Path(__file__).parent / "schemas"
PUBLISHER = "pingtai"
PARTITIONS = 4
FIRST_INSTANT = 1_785_000_000_000

Chunk = tuple[str, list[bytes], list[bytes]]
"""A topic, and keys and values of records for it."""


class Target(Protocol):
    """Where events are published."""

    def create(self, topic: str) -> None: ...

    def publish(self, chunks: Iterable[Chunk]) -> None: ...


class Registered(Protocol):
    """A schema as the registry has it."""

    @property
    def id(self) -> int: ...

    @property
    def schema(self) -> str: ...


Latest = Callable[[str], Registered]
"""The newest schema of a subject."""


@dataclass(slots=True)
class Source:
    """Topics that hold so many events together, and what every system is to make of them.

    `schemas` are those of the topics, in their order, and `feed` is that of what is delivered. With `derived`, ids of
    delivered records are each system's own. With `tail`, a system is killed after the events and meets more of them
    when it is started again: `tail` publishes those, and gives the number and the outcome of all events.
    """

    topics: tuple[str, ...]
    events: int
    expected: Outcome
    schemas: tuple[dict[str, Any], ...]
    feed: Registered
    derived: bool = False
    tail: Callable[[], tuple[int, Outcome]] | None = None

    def grow(self) -> int:
        """Publish a tail, if there is one; how many events it has. The next system meets it from the start."""
        if self.tail is None:
            return 0
        before = self.events
        self.events, self.expected = self.tail()
        return self.events - before


class Fill(Protocol):
    """Publish a workload of a size: into the contracts' topics, or into new ones, whose names end in `part`."""

    def __call__(self, size: int, target: Target, latest: Latest, part: str = "") -> Source: ...


def topics(target: Target, contracts: Iterable[str], part: str) -> tuple[str, ...]:
    """The topics of the contracts; those of a part are made now."""
    found = tuple(f"{contract}.{PUBLISHER}{part}" for contract in contracts)
    if part:
        for topic in found:
            target.create(topic)
    return found


def schema_of(catalogue: Path, event: str) -> dict[str, Any]:
    """A schema of a bench's catalogue, by its place below events/."""
    schema: dict[str, Any] = json.loads((catalogue / "events" / f"{event}.avsc").read_text("utf-8"))
    return schema


def example_of(catalogue: Path, contract: str) -> dict[str, Any]:
    """The first example of a contract of a bench's catalogue."""
    text = (catalogue / "examples" / contract / "examples.jsonl").read_text("utf-8")
    example: dict[str, Any] = json.loads(text.splitlines()[0])
    return example
