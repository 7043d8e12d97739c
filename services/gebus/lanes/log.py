"""Reading a part of the log from its beginning to its committed end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from confluent_kafka import OFFSET_BEGINNING, KafkaError

from gebus.lanes.errors import in_our_words, told
from gebus.lanes.places import Place
from gebus.lanes.ports import Consumer, Message
from gebus.model.errors import NotFound, Unavailable

MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
_BATCH = 1000
_WAIT = 0.5
_SILENT_WAITS = 20


def read_to_end(consumer: Consumer, places: Sequence[Place]) -> Iterator[Message]:
    """Every committed record of these partitions, each in its order, up to the end that is found.

    The consumer tells the end of a partition as an error, and sees committed records alone. Unavailable where nothing
    comes for 10 seconds, NotFound where a topic is missing.
    """
    left = set(places)
    with told("beginning to read"):
        # Of a topic that is not there the client says nothing for half a minute.
        there = consumer.list_topics(timeout=_SILENT_WAITS * _WAIT).topics
        for topic in sorted({place.topic for place in left}):
            if topic not in there:
                raise NotFound(_missing(topic))
        consumer.assign([place.kafka(OFFSET_BEGINNING) for place in sorted(left)])
    silent = 0
    while left:
        with told("reading"):
            messages = consumer.consume(_BATCH, _WAIT)
        silent = 0 if messages else silent + 1
        if silent >= _SILENT_WAITS:
            raise Unavailable(
                f"nothing came of {min(left)} for {_SILENT_WAITS * _WAIT:g} s; `gebus status` shows whether Kafka runs"
            )
        for message in messages:
            if message.error() is None:
                yield message
            elif is_end(message):
                left.discard(Place(message.topic(), message.partition()))


def is_end(message: Message) -> bool:
    """Whether an error that came as a message is the end of a partition. Raises one that does not pass by itself."""
    error: KafkaError = message.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.code() in MISSING:
        raise NotFound(_missing(message.topic()))
    if not error.retriable():
        raise in_our_words(error, f"reading {message.topic()}")
    return False


def _missing(topic: str) -> str:
    return (
        f"Kafka has no topic {topic}: it was never made, or deleted with all that it held; run `gebus apply`, which "
        "makes it and says so where it was there before"
    )
