"""What was sent and is not yet acknowledged, within a bound; and what becomes of each: a receipt, or handed back."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gebus.model.errors import GebusError, Unavailable


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bus holds this event: stored, once, by every in-sync replica, at this place of the log.

    `digest` is the SHA-256, in hex, of the value's bytes as they lie there.
    """

    event_id: str
    topic: str
    partition: int
    offset: int
    digest: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """An event that was not acknowledged, handed back with the reason.

    Its repr shows topic and id alone: events hold what not everybody may read.
    """

    topic: str
    event_id: str
    event: Mapping[str, Any] = field(repr=False)
    reason: GebusError = field(repr=False)


class NotAcknowledged(GebusError):
    """Events that a Publisher sent were not acknowledged; `unsent` holds them, in order of sending."""

    def __init__(self, unsent: Sequence[Unsent]) -> None:
        self.unsent = tuple(unsent)
        self.retriable = all(event.reason.retriable for event in self.unsent)
        first = self.unsent[0]
        super().__init__(
            f"{len(self.unsent)} events were not acknowledged, the first of them {first.event_id} of {first.topic}: "
            f"{first.reason}; send them again with the same event_id, the bus removes a repeat"
        )


class Sent:
    """An event on its way. Its repr shows topic and id, never the payload."""

    __slots__ = ("_in_flight", "awaited", "digest", "event", "event_id", "number", "outcome", "size", "topic")

    def __init__(self, in_flight: InFlight, *, topic: str, event: Mapping[str, Any], digest: bytes, size: int) -> None:
        self._in_flight = in_flight
        self.topic, self.digest, self.size = topic, digest, size
        self.event_id: str = event["event_id"]
        self.event: Mapping[str, Any] | None = event
        self.outcome: Receipt | GebusError | None = None
        self.awaited = False
        self.number = -1

    def __repr__(self) -> str:
        return f"Sent({self.topic!r}, {self.event_id!r})"

    @property
    def acknowledged(self) -> bool:
        """Whether the receipt is there, without waiting."""
        return isinstance(self.outcome, Receipt)

    def receipt(self, timeout: float = 120) -> Receipt:
        """Wait for the receipt; raises why there is none, and Unavailable if there is no answer within `timeout` s."""
        return self._in_flight.wait_for(self, timeout)


class InFlight:
    """The events between send and acknowledgement. Used by the sending threads and the client's own thread."""

    def __init__(self, records: int, size: int) -> None:
        self._records_limit, self._size_limit = records, size
        self._changed = threading.Condition(threading.Lock())
        self._sent: dict[int, Sent] = {}
        self._size = 0
        self._next = 0
        self._unsent: list[tuple[int, Unsent]] = []

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def size(self) -> int:
        """The bytes in flight."""
        return self._size

    def unsent(self) -> tuple[Unsent, ...]:
        """What was handed back, in order of sending."""
        with self._changed:
            return tuple(unsent for _, unsent in sorted(self._unsent, key=lambda pair: pair[0]))

    def add(self, sent: Sent, timeout: float) -> None:
        """Take an event in, waiting for room; raises Unavailable if there is none within `timeout` seconds.

        An event larger than the whole bound goes alone.
        """
        with self._changed:
            if not self._has_room(sent.size) and not self._changed.wait_for(lambda: self._has_room(sent.size), timeout):
                raise Unavailable(
                    f"{len(self._sent)} events of {self._size} bytes wait for an acknowledgement, and none came within "
                    f"{timeout:g} s: event {sent.event_id} of {sent.topic} was not sent; send it again later"
                )
            sent.number = self._next
            self._next += 1
            self._sent[sent.number] = sent
            self._size += sent.size

    def drop(self, sent: Sent) -> None:
        """Forget an event that the client did not take after all."""
        with self._changed:
            self._remove(sent)

    def settle(self, sent: Sent, outcome: Receipt | GebusError) -> None:
        """The answer for one event. Only the first answer counts."""
        with self._changed:
            if sent.number not in self._sent:
                return
            if not isinstance(outcome, Receipt):
                assert sent.event is not None  # noqa: S101 - it is let go of only below, and only once
                self._unsent.append((sent.number, Unsent(sent.topic, sent.event_id, sent.event, outcome)))
            sent.outcome, sent.event = outcome, None
            self._remove(sent)

    def wait_for(self, sent: Sent, timeout: float) -> Receipt:
        with self._changed:
            sent.awaited = True
            self._changed.wait_for(lambda: sent.outcome is not None, timeout)
        if isinstance(sent.outcome, Receipt):
            return sent.outcome
        raise sent.outcome or Unavailable(
            f"event {sent.event_id} of {sent.topic} was not acknowledged within {timeout:g} s; it is still on its way"
        )

    def wait_empty(self, timeout: float) -> bool:
        """Wait until every event has its answer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._sent, timeout)

    def abandon(self, reason: GebusError) -> None:
        """Hand back everything that has no answer."""
        for sent in list(self._sent.values()):
            self.settle(sent, reason)

    def _has_room(self, size: int) -> bool:
        return not self._sent or (len(self._sent) < self._records_limit and self._size + size <= self._size_limit)

    def _remove(self, sent: Sent) -> None:
        if self._sent.pop(sent.number, None) is None:
            return
        self._size -= sent.size
        # Woken at half the bound rather than at each acknowledgement: a sender that waits would otherwise be scheduled
        # once an event, and the two threads would spend their time in turns.
        half = len(self._sent) * 2 <= self._records_limit and self._size * 2 <= self._size_limit
        if half or sent.awaited:
            self._changed.notify_all()
