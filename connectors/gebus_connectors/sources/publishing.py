"""A source into a publisher: the whole of a source connector's loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from gebus.model.errors import EventRefused
from gebus_connectors.sources.reading import Event, Reading, Skipped


class Sends(Protocol):
    """What of a Publisher is needed here."""

    def send(self, topic: str, event: Any, /) -> Any: ...


@dataclass(slots=True)
class Published:
    """What became of the rows of a source."""

    sent: list[Event] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    refused: list[tuple[Event, EventRefused]] = field(default_factory=list)


def publish(readings: Iterable[Reading], publisher: Sends) -> Published:
    """Send every event of the readings.

    Promised: each row is in one of the three lists of the result; an event that its contract refuses costs no other.
    Not promised: that a sent event is acknowledged; the publisher's flush() or close() says that.
    """
    published = Published()
    for reading in readings:
        if isinstance(reading, Skipped):
            published.skipped.append(reading)
            continue
        try:
            publisher.send(reading.topic, reading.fields)
        except EventRefused as refused:
            published.refused.append((reading, refused))
        else:
            published.sent.append(reading)
    return published
