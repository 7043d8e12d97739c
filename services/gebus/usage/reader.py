"""From the ledger's topic into the book."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from gebus.kafka import Connection
from gebus.kafka.edge import open_consumer
from gebus.kafka.errors import in_our_words, told
from gebus.model.errors import Denied, Stopped, Unavailable
from gebus.model.leaf import LEAF_TOPIC, Leaf, Message
from gebus.usage.book import Book

_PLACE = TopicPartition(LEAF_TOPIC, 0)
_MOST = 500
_POLL_MS = 1_000
_SILENT_POLLS = 15
"""A dead worker's open transaction may hold the log back for 15 s."""


def catch_up(connection: Connection, book: Book) -> int:
    """Count every leaf that is committed by now; how many were new.

    Promised: committed leaves alone, each once. Stopped where the topic is not the one that was counted, or holds what
    no lane writes.
    """
    consumer: Any = open_consumer(connection, without_offset="none")
    try:
        with told(connection, f"reading {LEAF_TOPIC}"):
            if not consumer.partitions_for_topic(LEAF_TOPIC):
                raise Denied(
                    f"{connection.principal} may not read {LEAF_TOPIC} of Kafka at {connection.bootstrap}, or it is "
                    "not there; `gebus apply` makes it"
                )
            consumer.assign([_PLACE])
            end = consumer.end_offsets([_PLACE])[_PLACE]
        begin = _begin(consumer, connection, book, end)
        return _count(consumer, connection, book, begin, end)
    finally:
        consumer.close(timeout_ms=1000)


def _begin(consumer: Any, connection: Connection, book: Book, end: int) -> int:
    """Where to go on; Stopped unless the last leaf that was counted still lies where it lay."""
    begin, root = book.place
    if not begin:
        with told(connection, f"reading {LEAF_TOPIC}"):
            return int(consumer.beginning_offsets([_PLACE])[_PLACE])
    found = ""
    if begin <= end:
        consumer.seek(_PLACE, begin - 1)
        found = next((leaf.root for offset, leaf in _poll(consumer, connection) if offset == begin - 1), "")
    if found != root:
        raise Stopped(
            f"{LEAF_TOPIC} does not hold at offset {begin - 1} the leaf that was counted last: it was made anew, or "
            "records were lost. `gebus ledger verify` says what is missing; `gebus usage --anew` counts what is there"
        )
    return begin


def _count(consumer: Any, connection: Connection, book: Book, begin: int, end: int) -> int:
    consumer.seek(_PLACE, begin)
    counted = silent = 0
    while consumer.position(_PLACE) < end:
        leaves = _poll(consumer, connection)
        silent = 0 if leaves else silent + 1
        if silent > _SILENT_POLLS:
            raise Unavailable(
                f"{LEAF_TOPIC}: nothing came for {silent * _POLL_MS // 1000} s, at offset {consumer.position(_PLACE)} "
                f"of {end}; what came before is counted, try again"
            )
        book.add(leaves)
        counted += len(leaves)
    return counted


def _poll(consumer: Any, connection: Connection) -> list[tuple[int, Leaf]]:
    try:
        batches = consumer.poll(_POLL_MS, max_records=_MOST)
    except OffsetOutOfRangeError:
        return []
    except KafkaError as error:
        raise in_our_words(error, connection, f"reading {LEAF_TOPIC}") from error
    return [
        (record.offset, Message.decode(record.value, f"{LEAF_TOPIC}, offset {record.offset}").leaf)
        for record in batches.get(_PLACE, ())
    ]
