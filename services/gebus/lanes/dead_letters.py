"""Dead letters: a record that could not be processed, kept byte for byte with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gebus.lanes.ports import Dead, Headers, Message

PREFIX = "_dlq.errors."
NAMES = ("reason", "detail", "topic", "partition", "offset", "timestamp", "feed", "step")
"""What each dead letter says of itself, after the prefix: text in UTF-8, numbers in decimal."""


def dead_letter_topic(contract: str) -> str:
    """The Kafka topic that holds the dead letters of a topic contract."""
    return f"dead.{contract}"


def dead_letter_headers(message: Message, dead: Dead) -> list[tuple[str, bytes | None]]:
    """The record's own headers, then why and where it died.

    Ours stand last: whoever asks for a name's last value gets ours, also if a publisher wrote such a header.
    """
    said = (
        dead.reason,
        dead.detail,
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        dead.feed,
        dead.step,
    )
    ours = ((PREFIX + name, str(value).encode()) for name, value in zip(NAMES, said, strict=True))
    return [*(message.headers() or ()), *ours]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter as it is read back. `repr` shows where it came from, never what it holds."""

    reason: str
    detail: str
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


def read_dead_letter(key: bytes | None, value: bytes | None, headers: Headers | None) -> DeadLetter:
    """A dead letter from the record that holds it; ValueError if the record is none."""
    every: Sequence[tuple[str, bytes | None]] = list(headers or ())
    own, ours = every[: -len(NAMES)], every[-len(NAMES) :]
    if tuple(name for name, _ in ours) != tuple(PREFIX + name for name in NAMES):
        raise ValueError("not a dead letter: its last headers are not those that a lane writes")
    reason, detail, topic, partition, offset, timestamp, feed, step = _texts(value for _, value in ours)
    return DeadLetter(
        reason=reason,
        detail=detail,
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


def _texts(values: Iterable[bytes | None]) -> list[str]:
    return [(value or b"").decode() for value in values]
