"""Kafka's own files, read without Kafka: which offsets belong to transactions that were aborted.

The clients that tell a reader what is committed are what is tested, so this does not ask them. Of a record batch only
the head is read (Kafka's message format 2), and of a control batch the one byte that says how a transaction ended.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LENGTH = struct.Struct(">qi")
_HEAD = struct.Struct(">iBIhiqqqhii")
_HEAD_AT, _RECORDS_AT = 12, 61
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_ABORT = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch; `ends` is "commit" or "abort" for the marker that ends a producer's transaction."""

    first: int
    last: int
    producer: int
    epoch: int
    at_ms: int
    transactional: bool
    ends: str = ""


def batches(partition: Path) -> Iterator[Batch]:
    """All batches of a partition, in their order."""
    for path in sorted(partition.glob("*.log")):
        content = path.read_bytes()
        at = 0
        while at + _RECORDS_AT <= len(content):
            first, length = _LENGTH.unpack_from(content, at)
            if length <= 0 or at + _HEAD_AT + length > len(content):
                break  # room that was taken in advance, or a batch that a kill cut off
            _, _, _, attributes, delta, _, newest, producer, epoch, _, _ = _HEAD.unpack_from(content, at + _HEAD_AT)
            ends = _end(content, at + _RECORDS_AT) if attributes & _CONTROL else ""
            transactional = bool(attributes & _TRANSACTIONAL)
            yield Batch(first, first + delta, producer, epoch, newest, transactional, ends)
            at += _HEAD_AT + length


def aborted(partition: Path) -> Iterator[Batch]:
    """The batches whose transaction was aborted, or never ended."""
    open_: dict[int, list[Batch]] = {}
    for batch in batches(partition):
        if not batch.transactional:
            continue
        if not batch.ends:
            open_.setdefault(batch.producer, []).append(batch)
        else:
            ended = open_.pop(batch.producer, [])
            if batch.ends == "abort":
                yield from ended
    for left in open_.values():
        yield from left


def _end(content: bytes, at: int) -> str:
    """The type in the key of a control record: version and type, two bytes each, after varints."""
    at = _skip(content, at) + 1  # length, attributes
    at = _skip(content, _skip(content, at))  # timestamp, offset
    at = _skip(content, at)  # the length of the key
    _, kind = struct.unpack_from(">hh", content, at)
    return "abort" if kind == _ABORT else "commit"


def _skip(content: bytes, at: int) -> int:
    """Behind a varint."""
    while content[at] & 0x80:
        at += 1
    return at + 1
