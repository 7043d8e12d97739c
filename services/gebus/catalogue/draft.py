"""A catalogue while it is being checked: what is valid so far, and what is merely there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from gebus.catalogue.codes import parse_codes
from gebus.catalogue.documents import Document, KeyPath, shown
from gebus.catalogue.models import parse_model
from gebus.catalogue.schema import parse_schema
from gebus.catalogue.tree import Kind, Place, read, walk
from gebus.model.base import Model
from gebus.model.catalogue import CodeList
from gebus.model.errors import Finding
from gebus.model.event import EventSchema
from gebus.model.feed import Feed
from gebus.model.party import Party
from gebus.model.processor import Processor
from gebus.model.topic import TopicContract

T = TypeVar("T")


@dataclass(slots=True)
class Part(Generic[T]):
    """All files of one kind, by the name that their path gives them."""

    places: dict[str, Place] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    """Those that could be read."""
    values: dict[str, T] = field(default_factory=dict)
    """Those that are valid, each looked at alone."""

    @property
    def all_read(self) -> bool:
        return len(self.documents) == len(self.places)

    def each(self) -> Iterator[tuple[str, T, Document]]:
        """Name, value and document of each valid one."""
        for name, value in self.values.items():
            yield name, value, self.documents[name]


@dataclass(slots=True)
class Draft:
    """Everything that was read, with the findings that each file gives by itself."""

    root: Path
    parties: Part[Party] = field(default_factory=Part)
    events: Part[EventSchema] = field(default_factory=Part)
    """By `<domain>/<Event>`."""
    topics: Part[TopicContract] = field(default_factory=Part)
    feeds: Part[Feed] = field(default_factory=Part)
    processors: Part[Processor] = field(default_factory=Part)
    codes: Part[CodeList] = field(default_factory=Part)
    examples: dict[str, Place] = field(default_factory=dict)
    """By `<topic>/<name>`."""
    findings: list[Finding] = field(default_factory=list)

    def part(self, kind: Kind) -> Part[Any]:
        """The files of a kind that holds one document each."""
        parts: Mapping[Kind, Part[Any]] = {
            "party": self.parties,
            "event": self.events,
            "topic": self.topics,
            "feed": self.feeds,
            "processor": self.processors,
            "codes": self.codes,
        }
        return parts[kind]

    def event_of(self, contract: TopicContract) -> EventSchema | None:
        """The schema of a contract, if it is there and valid."""
        return self.events.values.get(f"{contract.domain}/{contract.event}")


def read_draft(root: Path) -> Draft:
    """Read every file below `root`; nothing is raised, all is in the findings."""
    draft = Draft(root)
    places, findings = walk(root)
    draft.findings += findings
    for place in places:
        if place.kind == "example":
            draft.examples[place.name] = place
            continue
        part = draft.part(place.kind)
        part.places[place.name] = place
        document, findings = read(root, place)
        draft.findings += findings
        if document is not None:
            part.documents[place.name] = document
            value, found = _PARSERS[place.kind](document, place.name)
            draft.findings += found
            if value is not None:
                part.values[place.name] = value
    return draft


def _parser(model: type[Model], *keys: str) -> Callable[[Document, str], tuple[Any, list[Finding]]]:
    """Parse a document whose `keys` repeat the parts of its path."""

    def parse(document: Document, name: str) -> tuple[Any, list[Finding]]:
        value, findings = parse_model(document, model)
        return value, [*findings, *_named(document, name, keys)]

    return parse


def _codes(document: Document, name: str) -> tuple[CodeList | None, list[Finding]]:
    value, findings = parse_codes(document)
    return value, [*findings, *_named(document, name, ("codes",))]


def _event(document: Document, name: str) -> tuple[EventSchema | None, list[Finding]]:
    domain, _, event = name.partition("/")
    return parse_schema(document, event, f"gebus.{domain}")


def _named(document: Document, name: str, keys: tuple[str, ...]) -> Iterator[Finding]:
    if not isinstance(document.value, dict):
        return
    for key, part in zip(keys, name.split("/"), strict=True):
        written = document.value.get(key, part)
        if written != part:
            path: KeyPath = (key,)
            yield document.finding(path, "name", f"`{key}` is {shown(written)}", f"'{part}', as the file's path says")


_PARSERS: Mapping[Kind, Callable[[Document, str], tuple[Any, list[Finding]]]] = {
    "party": _parser(Party, "party"),
    "topic": _parser(TopicContract, "topic"),
    "feed": _parser(Feed, "consumer", "feed"),
    "processor": _parser(Processor, "processor"),
    "codes": _codes,
    "event": _event,
}
