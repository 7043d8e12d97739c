"""The parties publish, each as itself and all at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from gebus.cli._demo.history import History, Told
from gebus.cli._demo.programme import Programme
from gebus.cli._demo.stage import Stage
from gebus_connectors.sdk import Publisher, PublisherOptions
from gebus_connectors.sources.publishing import publish
from gebus_connectors.sources.reading import Event, Reading, Skipped

_PATIENCE = PublisherOptions(delivery_timeout=timedelta(seconds=60))


def read_all(programme: Programme, history: History) -> dict[str, list[Event]]:
    """The events of every party, in the order in which it publishes them; rows that are none enter the history."""
    events: dict[str, list[Event]] = {}
    for party, sources in programme.sources.items():
        for topic, source in sources:
            for reading in source.read():
                if isinstance(reading, Skipped):
                    history.skipped.setdefault(party, []).append((topic, reading))
                else:
                    events.setdefault(party, []).append(reading)
    return events


def publish_all(
    on: Stage, events: Mapping[str, Sequence[Event]], history: History, advance: Callable[[], None]
) -> None:
    """Publish as every party in a thread of its own; returns when everything is acknowledged."""
    lock = threading.Lock()

    def publish_as(party: str) -> None:
        sent = publish_events(on, party, events[party], advance)
        with lock:
            history.told += sent

    with ThreadPoolExecutor(len(events), thread_name_prefix="party") as pool:
        for outcome in [pool.submit(publish_as, party) for party in events]:
            outcome.result()


def publish_events(on: Stage, party: str, events: Iterable[Reading], step: Callable[[], None]) -> list[Told]:
    """Publish as one party, with `step` before each event; every event with the place that its receipt names."""

    def counted() -> Iterator[Reading]:
        for event in events:
            step()
            yield event

    with Publisher(on.connection(party), on.catalogue, party, options=_PATIENCE) as publisher:
        published = publish(counted(), publisher)
    if published.refused:
        raise published.refused[0][1]
    receipts = [(event, sent.receipt()) for event, sent in published.sent]
    return [Told(party, event.topic, event.fields, receipt.partition, receipt.offset) for event, receipt in receipts]
