"""The catalogue as a value: everything that may flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from gebus.model.event import EventSchema
from gebus.model.feed import Feed
from gebus.model.party import Party
from gebus.model.processor import Processor
from gebus.model.topic import TopicContract


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One code of a dated list: valid from `valid_from` up to, not including, `valid_to`; None is open."""

    code: str
    valid_from: date | None
    valid_to: date | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CodeList:
    """A dated code list: `codes/<name>.yaml`."""

    name: str
    source: str
    entries: tuple[CodeEntry, ...]

    def at(self, day: date) -> Mapping[str, CodeEntry]:
        """The codes that are valid on `day`."""
        return {
            entry.code: entry
            for entry in self.entries
            if (entry.valid_from is None or entry.valid_from <= day)
            and (entry.valid_to is None or day < entry.valid_to)
        }


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A catalogue that has passed `gebus check`: every reference resolves, every rule holds."""

    root: Path
    parties: Mapping[str, Party]
    topics: Mapping[str, TopicContract]
    events: Mapping[str, EventSchema]
    """By the name of the topic contract that uses the schema."""
    feeds: Mapping[str, Feed]
    """By `<consumer>/<feed>`."""
    codes: Mapping[str, CodeList]
    processors: Mapping[str, Processor] = field(default_factory=dict)
