"""What an audit is held against: the topic of leaves, and the heads that others kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gebus.kafka import Connection
from gebus.ledger.audit import Head
from gebus.ledger.leaves import LeafReader, newest_checkpoint
from gebus.ledger.verify_evidence import Checkpoint, NotProven, VerifierKey, open_checkpoint
from gebus.model.errors import Stopped
from gebus.model.leaf import CHECKPOINT_TOPIC


@contextmanager
def committed_leaves(connection: Connection) -> Iterator[tuple[bool, Iterator[bytes]]]:
    """Whether the topic's beginning has passed its retention, and every leaf up to its end now."""
    with LeafReader(connection, 0) as reader:
        first, end = reader.bounds()
        reader.seek(first)
        yield first > 0, _leaves(reader, end)


def _leaves(reader: LeafReader, end: int) -> Iterator[bytes]:
    while reader.position < end:
        for taken in reader.poll(0.5):
            yield taken.message.content


def kept_heads(connection: Connection, key: VerifierKey, seen: Path | None) -> list[Head]:
    """The newest head that the topic of checkpoints holds, and the one in a file."""
    kept = [(CHECKPOINT_TOPIC, newest_checkpoint(connection, key.name))]
    if seen is not None and seen.exists():
        kept.append((str(seen), seen.read_text()))
    return [Head(who, _opened(who, text, key)) for who, text in kept if text is not None]


def _opened(who: str, text: str, key: VerifierKey) -> Checkpoint:
    try:
        return open_checkpoint(text, key)
    except NotProven as error:
        raise Stopped(f"{who}: {error}; it is no head of this ledger: look who wrote it") from None
