"""A source into a publisher: the whole of a source connector's loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gebus.model.errors import EventRefused
from gebus_connectors.sources.reading import Event, Reading, Skipped

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Sends(Protocol[S_co]):
    """What of a Publisher is needed here."""

    def send(self, topic: str, event: dict[str, object], /) -> S_co: ...


@dataclass(slots=True)
class Published(Generic[S]):
    """What became of the rows of a source."""

    sent: list[tuple[Event, S]] = field(default_factory=list)
    """Each with what the publisher gave for it: its receipt follows there."""
    skipped: list[Skipped] = field(default_factory=list)
    refused: list[tuple[Event, EventRefused]] = field(default_factory=list)


def publish(readings: Iterable[Reading], publisher: Sends[S]) -> Published[S]:
    """Send every event of the readings.

    Promised: each row is in one of the three lists of the result; an event that its contract refuses costs no other.
    Not promised: that a sent event is acknowledged; the publisher's flush() or close() says that.
    """
    published: Published[S] = Published()
    for reading in readings:
        if isinstance(reading, Skipped):
            published.skipped.append(reading)
            continue
        try:
            published.sent.append((reading, publisher.send(reading.topic, dict(reading.fields))))
        except EventRefused as refused:
            published.refused.append((reading, refused))
    return published
