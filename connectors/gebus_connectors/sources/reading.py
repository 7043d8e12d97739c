"""What a source gives: events, and the rows that could not become one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Event:
    """An event without its `published_at`, which whoever publishes it fills in. Its repr shows topic and id alone."""

    topic: str
    fields: Mapping[str, object] = field(repr=False)

    @property
    def event_id(self) -> str:
        return str(self.fields["event_id"])

    def at(self, published_at: int) -> dict[str, object]:
        """The whole event, published at this moment (UTC ms)."""
        return {**self.fields, "published_at": published_at}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that became no event: where it stands, and why in words without its content."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


Reading: TypeAlias = Event | Skipped


class BadRow(ValueError):
    """A row cannot become an event; a source catches it and gives Skipped."""


class Source(Protocol):
    """One party's records.

    Promised: `read` gives each row of the source as at least one Event or one Skipped, in the source's order, and a
    second `read` of the same rows gives the same events with the same ids. Not promised: that no event comes
    twice; what the source repeats is repeated, and the bus removes it.
    """

    @property
    def party(self) -> str: ...

    def read(self) -> Iterator[Reading]: ...
