"""Where a replay writes, and how it is held against the live feed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from confluent_kafka import KafkaError

from gebus.cli.sandbox import PREFIX
from gebus.kafka import Connection
from gebus.kafka.admin import Admin, Topic
from gebus.kafka.lane_clients import open_writer
from gebus.model.base import milliseconds
from gebus.model.errors import NotFound, Refused, Unavailable
from gebus.plan import FeedPlan

_LISTED = 5
_FLUSH_SECONDS = 60.0
_FRAME_BYTES = 5
"""Before the record: a zero and the id of its schema."""


def sandbox_topic(name: str, feed: FeedPlan) -> str:
    """`sandbox.<name>.<consumer>.<feed>`."""
    return f"{PREFIX}{name}.{feed.topic.removeprefix('feed.')}"


class Sandbox:
    """A topic of its own, which nobody but administrators can read.

    Promised: it begins empty; `close` returns when every record is in the log, or raises. Not promised: transactions; a
    replay that was cut short leaves a part.
    """

    def __init__(self, connection: Connection, name: str, feed: FeedPlan) -> None:
        self.topic = sandbox_topic(name, feed)
        with Admin(connection) as admin:
            topics = admin.topics()
            if self.topic in topics:
                raise Refused(
                    f"there is a topic {self.topic} already: name another sandbox, or `gebus sandbox delete {name}`"
                )
            if feed.topic not in topics:
                raise NotFound(f"Kafka has no topic {feed.topic}; run `gebus apply`")
            config = {**topics[feed.topic].config, "retention.ms": str(milliseconds(feed.retention))}
            admin.create_topics([Topic(self.topic, feed.partitions, config)])
        self._failed: list[str] = []
        self._producer = open_writer(connection, "replay", self._told)

    def write(self, records: list[dict[str, Any]]) -> None:
        """Give some records to the producer, in their order."""
        rest = [dict(record) for record in records]
        while rest:
            self._producer.produce_batch(self.topic, rest)
            rest = [record for record in rest if record.pop("_error", None) is not None]
            if self._failed:
                raise Unavailable(f"writing to {self.topic}: {self._failed[0]}")
            self._producer.poll(0.1 if rest else 0.0)

    def close(self) -> None:
        """Wait until all is in the log."""
        left = self._producer.flush(_FLUSH_SECONDS)
        if left or self._failed:
            why = self._failed[0] if self._failed else f"no answer within {_FLUSH_SECONDS:g} s"
            raise Unavailable(f"{max(left, len(self._failed))} records did not reach {self.topic}: {why}")

    def _told(self, error: KafkaError | None, _: Any) -> None:
        if error is not None:
            self._failed.append(error.str())


@dataclass(frozen=True, slots=True)
class Difference:
    """One key whose records differ; `first` is the number of the first one that does, from 1."""

    key: bytes | None
    first: int
    live: str | None
    replayed: str | None

    def __str__(self) -> str:
        key = "no key" if self.key is None else f"key {self.key.decode(errors='backslashreplace')}"
        return (
            f"{key}: record {self.first} is {self.live or 'missing'} in the feed, {self.replayed or 'missing'} replayed"
        )

    def as_json(self) -> dict[str, Any]:
        key = None if self.key is None else self.key.decode(errors="backslashreplace")
        return {"key": key, "record": self.first, "live": self.live, "replayed": self.replayed}


@dataclass(frozen=True, slots=True)
class _Print:
    """A record, as short as it can be told from others."""

    digest: bytes
    event_id: str


@dataclass(slots=True)
class Records:
    """What a feed holds, key by key, in the order of each."""

    by_key: dict[bytes | None, list[_Print]] = field(default_factory=dict)

    def add(self, key: bytes | None, value: bytes) -> None:
        """One record more."""
        digest = hashlib.blake2b(value, digest_size=12).digest()
        self.by_key.setdefault(key, []).append(_Print(digest, _event_id(value)))

    def __len__(self) -> int:
        return sum(map(len, self.by_key.values()))


def compare(live: Records, replayed: Records, *, ordered: bool) -> Sequence[Difference]:
    """The first difference of each key, none if they are equal.

    Where the lane is not ordered, two publishers' records of a key may come in either order: then it counts alone which
    they are.
    """
    return list(_differences(live.by_key, replayed.by_key, ordered=ordered))


def _differences(
    live: Mapping[bytes | None, list[_Print]], replayed: Mapping[bytes | None, list[_Print]], *, ordered: bool
) -> Iterator[Difference]:
    for key in sorted({*live, *replayed}, key=lambda key: key or b""):
        here, there = live.get(key, []), replayed.get(key, [])
        if not ordered and Counter(here) == Counter(there):
            continue
        for number, (one, other) in enumerate(zip_longest(here, there), 1):
            if one != other:
                live_id, replayed_id = (None if each is None else each.event_id for each in (one, other))
                yield Difference(key, number, live_id, replayed_id)
                break


def _event_id(value: bytes) -> str:
    """The first field of every delivered record: an Avro string, its length in front."""
    length = shift = 0
    for at in range(_FRAME_BYTES, min(len(value), _FRAME_BYTES + 5)):
        length |= (value[at] & 0x7F) << shift
        shift += 7
        if not value[at] & 0x80:
            return value[at + 1 : at + 1 + (length >> 1)].decode(errors="backslashreplace")
    return "?"
