"""The envelope of a composite record, in plain Python: the oracle's own reading of what is derived from the parents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gebus.model.event import EventSchema

Record = Mapping[str, Any]
FirstNumber = Callable[[str, int], int]
"""Where the numbers of an entity begin at a time, as far as its consumer knows of it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record at a relation. `withdrawn`: it takes back what it said, whatever else it is."""

    record: Record
    alias: str
    key: str
    """The text of the fields that the relation brings together."""
    at_ms: int
    withdrawn: bool
    kafka_key: bytes | None = None
    """What it stands under in Kafka, where that is not `key`."""


@dataclass(frozen=True, slots=True)
class Composite:
    """What a relation makes: an envelope, and a record or None for each side."""

    envelope: Record
    sides: Mapping[str, Record | None]
    key: bytes | None = None
    """The Kafka key, where it is not that of the record that arrived."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a relation says to an arrival: composites, or the outcome of one that makes none."""

    outcome: str
    composites: tuple[Composite, ...] = ()


def made(composites: Sequence[Composite], otherwise: str) -> Answer:
    """The composites, if there are any."""
    return Answer("", tuple(composites)) if composites else Answer(otherwise)


def digest(*parts: str) -> str:
    """32 hex digits that no other list of parts has."""
    packed = b"".join(len(part.encode()).to_bytes(4, "little") + part.encode() for part in parts)
    return hashlib.sha256(packed).digest()[:16].hex()


def status_of(revision: int, parents: Sequence[Record], *, withdrawn: bool) -> str:
    if withdrawn or any(parent["status"] == "RETRACTED" for parent in parents):
        return "RETRACTED"
    return "CORRECTED" if revision > 0 else "ASSERTED"


def envelope(
    event_id: str, entity_id: str, revision: int, parents: Sequence[Record], main: Record, *, withdrawn: bool
) -> Record:
    """The eight fields; `main` is the parent whose source and region they name."""
    return {
        "event_id": event_id,
        "entity_id": entity_id,
        "revision": revision,
        "status": status_of(revision, parents, withdrawn=withdrawn),
        "occurred_at": max(parent["occurred_at"] for parent in parents),
        "published_at": max(parent["published_at"] for parent in parents),
        "source": main["source"],
        "region": main["region"],
    }


def blank(event: EventSchema) -> Record:
    """What stands for a record that is not there and may not be null; its fields are texts and numbers."""
    return {field.name: None if field.nullable else "" if field.type == "string" else 0 for field in event.fields}


def entity_of(record: Record) -> tuple[str, str]:
    """What a source record is about."""
    return record["source"], record["entity_id"]
