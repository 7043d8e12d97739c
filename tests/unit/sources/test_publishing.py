"""The loop of a source connector: sent, listed or refused, and nothing in between."""

from __future__ import annotations

from typing import Any

from gebus.model.errors import EventRefused
from gebus_connectors.sources.publishing import publish
from gebus_connectors.sources.reading import Event, Skipped


class _Publisher:
    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []

    def send(self, topic: str, event: Any, /) -> str:
        if event["value"] < 0:
            raise EventRefused(topic, "value", str(event["value"]), "0 or more")
        self.taken.append((topic, event))
        return f"receipt {len(self.taken)}"


def test_each_reading_is_in_one_list_and_a_refusal_costs_no_other() -> None:
    publisher = _Publisher()
    events = [Event("info.rumor", {"event_id": str(value), "value": value}) for value in (1, -1, 2)]
    skipped = Skipped("f.csv", 3, "empty")
    published = publish([events[0], skipped, events[1], events[2]], publisher)
    assert published.sent == [(events[0], "receipt 1"), (events[2], "receipt 2")]
    assert published.skipped == [skipped]
    assert [event for event, _ in published.refused] == [events[1]]
    assert [event["value"] for _, event in publisher.taken] == [1, 2]
