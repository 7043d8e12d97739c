"""What the demo did, as it saw it: the evidence that the bus's accounts are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gebus.usage import Metered
from gebus_connectors.sources.reading import Skipped


@dataclass(frozen=True, slots=True)
class Told:
    """One event that was acknowledged, and where it lies."""

    party: str
    topic: str
    event: Mapping[str, Any] = field(repr=False)
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Planted:
    """One record that no publisher could have sent by the SDK, put into a party's topic by hand."""

    party: str
    topic: str
    what: str
    reason: str
    """The reason that its dead letter must give."""
    key: bytes | None = field(repr=False)
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that must not be possible: who tried what, and what came of it; `refused` is how it had to end."""

    who: str
    what: str
    refused: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A notice to a passenger: why it came, of which journey, how long it took, and what it said."""

    why: str
    carrier_no: str
    latency_ms: float
    notice: Mapping[str, Any] = field(repr=False)


@dataclass(slots=True)
class History:
    """Everything that was sent, planted, tried and received."""

    told: list[Told] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    skipped: dict[str, list[tuple[str, Skipped]]] = field(default_factory=dict)
    """Rows of a party's data that could not become events, each with the topic that it was for."""
    metered: dict[str, Metered] = field(default_factory=dict)
    """By feed, what the leaves of the ledger say was delivered."""
    received: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """By feed, in the order of the feed."""
    latencies_ms: list[float] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    killed: int = 0
    """The process of the worker that was killed."""
    replaced_by: int = 0
