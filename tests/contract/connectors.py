"""The connectors that the suites try. A new one adds its class to SOURCES or SINKS, and passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from tests.contract.bus import CONSUMER, FEED, PUBLISHER, TOPIC, event

from gebus.kafka import Connection
from gebus.model.catalogue import Catalogue
from gebus_connectors.sdk import Publisher, PublisherOptions, Receipt, Subscriber, SubscriberOptions


class Source(Protocol):
    """A connector that publishes `event(number)`; at most 100 may be in flight, and nothing takes above 8 seconds."""

    def __init__(self, connection: Connection, catalogue: Catalogue) -> None: ...
    def open(self) -> None: ...
    def publish(self, number: int) -> Callable[[], Receipt]: ...
    def flush(self) -> None: ...
    def close(self) -> list[str]:
        """The ids of what was handed back."""


class PublisherSource:
    def __init__(self, connection: Connection, catalogue: Catalogue) -> None:
        options = PublisherOptions(
            in_flight_records=100, room_timeout=timedelta(seconds=1.5), delivery_timeout=timedelta(seconds=8)
        )
        self._publisher = Publisher(connection, catalogue, PUBLISHER, options=options)

    def open(self) -> None:
        self._publisher.open()

    def publish(self, number: int) -> Callable[[], Receipt]:
        return self._publisher.send(TOPIC, event(number)).receipt

    def flush(self) -> None:
        self._publisher.flush()

    def close(self) -> list[str]:
        return [unsent.event_id for unsent in self._publisher.close()]


@dataclass(frozen=True)
class Read:
    """A record that a sink was given."""

    number: int
    partition: int
    offset: int
    settle: Callable[[], None]
    delivery: Any


class Sink(Protocol):
    """A connector that reads the feed for a group of the consumer; at most 100 records may be unsettled."""

    def __init__(self, connection: Connection, group: str) -> None: ...
    def open(self) -> None: ...
    def read(self, timeout: float = 1.0) -> list[Read]: ...
    def close(self) -> None: ...


class SubscriberSink:
    def __init__(self, connection: Connection, group: str) -> None:
        options = SubscriberOptions(
            unsettled=100, settle_timeout=timedelta(seconds=2), close_timeout=timedelta(seconds=5)
        )
        self._subscriber = Subscriber(connection, [f"{CONSUMER}/{FEED}"], group=group, options=options)

    def open(self) -> None:
        self._subscriber.open()

    def read(self, timeout: float = 1.0) -> list[Read]:
        return [
            Read(delivery.record["number"], delivery.partition, delivery.offset, delivery.settle, delivery)
            for delivery in self._subscriber.poll(timeout)
        ]

    def close(self) -> None:
        self._subscriber.close()


SOURCES: list[type[Source]] = [PublisherSource]
SINKS: list[type[Sink]] = [SubscriberSink]
