"""Dead letters: a record that could not be processed, kept byte for byte with the reason."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gebus_kernel import Dead

from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place
from gebus.lanes.ports import Consumer, Headers, Message

PREFIX = "_dlq.errors."
NAMES = ("reason", "detail", "field", "topic", "partition", "offset", "timestamp", "feed", "step")
"""What each dead letter says of itself, after the prefix: text in UTF-8, numbers in decimal."""
LARGEST = (2 << 20) - (64 << 10)
"""Less than the largest record that client and broker take, by more than our own headers need."""


def dead_letter_topic(contract: str) -> str:
    """The Kafka topic that holds the dead letters of a topic contract."""
    return f"dead.{contract}"


class Kept(NamedTuple):
    """What is written to the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def dead_letter(message: Message, dead: Dead) -> Kept:
    """The record as it came, its own headers first, then why and where it died.

    Ours stand last: whoever asks for a name's last value gets ours, also if a publisher wrote such a header. A record
    that is too large to be written once more (it was compressed better than we may hope to) is left where it is, and
    the detail says so: one record must not stop the lane.
    """
    own = list(message.headers() or ())
    key, value, detail = message.key(), message.value(), dead.detail
    size = len(key or b"") + len(value or b"") + sum(len(name) + len(held or b"") for name, held in own)
    if size > LARGEST:
        key, value, own = None, None, []
        detail = f"{detail}; its {size} bytes are more than the {LARGEST} that are kept here: read it at its place"
    # A field's name has no colon; a record that has neither feed nor step died in the source's own check.
    feed, colon, step = dead.place.partition(": ")
    said = {
        "reason": dead.reason,
        "detail": detail,
        "field": "" if colon else dead.place,
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "feed": feed if colon else "",
        "step": step,
    }
    return Kept(key, value, own + [(PREFIX + name, str(said[name]).encode()) for name in NAMES])


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter as it is read back. `repr` shows where it came from, never what it holds."""

    reason: str
    detail: str
    field: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    feed: str
    step: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    """The publisher's own."""

    def __repr__(self) -> str:
        return f"DeadLetter({self.topic}/{self.partition}@{self.offset}, {self.reason})"

    @property
    def when(self) -> str:
        """The append time of the record that died, in UTC."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")

    def shown(self, length: int) -> str:
        """The value for people: at most `length` characters, and none that a terminal would obey."""
        text = (self.value or b"")[: 4 * length].decode(errors="backslashreplace")
        plain = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
        return plain if len(plain) <= length else f"{plain[:length]}..."

    def as_json(self) -> dict[str, Any]:
        """The dead letter for machines, bytes in base64."""
        return {
            "reason": self.reason,
            "detail": self.detail,
            "field": self.field,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": self.when,
            "feed": self.feed,
            "step": self.step,
            "key": _base64(self.key),
            "value": _base64(self.value),
            "headers": [[name, _base64(value)] for name, value in self.headers],
        }


def read_dead_letter(key: bytes | None, value: bytes | None, headers: Headers | None) -> DeadLetter:
    """A dead letter from the record that holds it; ValueError if the record is none."""
    every: Sequence[tuple[str, bytes | None]] = list(headers or ())
    own, ours = every[: -len(NAMES)], every[-len(NAMES) :]
    if tuple(name for name, _ in ours) != tuple(PREFIX + name for name in NAMES):
        raise ValueError("not a dead letter: its last headers are not those that a lane writes")
    reason, detail, field, topic, partition, offset, timestamp, feed, step = _texts(value for _, value in ours)
    return DeadLetter(
        reason=reason,
        detail=detail,
        field=field,
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        timestamp_ms=int(timestamp),
        feed=feed,
        step=step,
        key=key,
        value=value,
        headers=tuple(own),
    )


def newest_dead_letters(consumer: Consumer, contract: str, limit: int) -> list[DeadLetter]:
    """The newest dead letters of a topic contract, oldest first; the whole topic is read for it."""
    newest: deque[DeadLetter] = deque(maxlen=limit)
    for message in read_to_end(consumer, [Place(dead_letter_topic(contract), 0)]):
        newest.append(read_dead_letter(message.key(), message.value(), message.headers()))
    return list(newest)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _texts(values: Iterable[bytes | None]) -> list[str]:
    return [(value or b"").decode() for value in values]
