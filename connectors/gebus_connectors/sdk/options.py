"""What a Publisher and a Subscriber may hold and how long they may wait: bounds, checked before anything connects."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta


def _check(options: object) -> None:
    for field in fields(options):  # type: ignore[arg-type]  # called by the dataclasses below alone
        value = getattr(options, field.name)
        least: int | timedelta = timedelta(0) if isinstance(value, timedelta) else 0
        if value <= least:
            raise ValueError(f"{type(options).__name__}.{field.name} is {value}; allowed: more than {least}")


@dataclass(frozen=True, slots=True)
class PublisherOptions:
    """How much a Publisher keeps in flight, and how long it waits."""

    in_flight_records: int = 10_000
    in_flight_bytes: int = 32 * 1024 * 1024
    room_timeout: timedelta = timedelta(seconds=60)
    """How long send() waits for room among what is in flight before it raises Unavailable."""
    delivery_timeout: timedelta = timedelta(seconds=60)
    """After this an event without an acknowledgement is handed back; close() takes no longer than a little more."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class SubscriberOptions:
    """How much a Subscriber keeps unsettled, and how long it waits."""

    unsettled: int = 10_000
    """Records handed out and not yet settled; at the bound nothing more is read."""
    settle_timeout: timedelta = timedelta(minutes=5)
    """At the bound for this long without anything settled, reading raises Stopped."""
    commit_interval: timedelta = timedelta(seconds=1)
    """What was settled is stored this often, and on close: so much may be delivered again after a crash."""
    close_timeout: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        _check(self)
