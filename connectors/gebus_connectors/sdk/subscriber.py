"""Read the feeds of one consumer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self

from kafka import AsyncConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from gebus.kafka import Connection
from gebus.kafka.decoding import FeedDecoder, Undecodable
from gebus.kafka.edge import cluster_of, open_consumer
from gebus.kafka.errors import in_our_words, told
from gebus.kafka.registry import Registry
from gebus.model.errors import Denied, GebusError, NotFound, Stopped
from gebus.model.receipt import Receipt
from gebus_connectors.sdk.options import SubscriberOptions
from gebus_connectors.sdk.progress import Progress

Start = Literal["beginning", "end"] | datetime

_MOVED = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)
"""A commit that came too late: the partitions belong to another member of the group."""


class Delivery:
    """One record of a feed, with the means to settle it. Its repr shows where it lies, never what it holds."""

    __slots__ = ("_progress", "appended_at", "feed", "key", "offset", "partition", "record", "topic", "value")

    def __init__(self, progress: Progress, feed: str, raw: Any, record: dict[str, Any]) -> None:
        self._progress = progress
        self.feed = feed
        self.topic: str = raw.topic
        self.partition: int = raw.partition
        self.offset: int = raw.offset
        self.appended_at = datetime.fromtimestamp(raw.timestamp / 1000, UTC)
        self.record = record
        self.key: bytes = raw.key or b""
        self.value: bytes = raw.value

    def __repr__(self) -> str:
        return f"Delivery({self.topic!r}, partition={self.partition}, offset={self.offset})"

    def settle(self) -> None:
        """Say that this record is done with: it is not delivered again. From any thread; twice is as once."""
        self._progress.settle(self.offset)


class Subscriber:
    """Reads feeds of one consumer, of which it stores how far they are settled.

    Promised: each record of a feed is delivered at least once to the group, in order within a partition; what is
    stored as read never lies past a record that was not settled, so a crash loses nothing; records of transactions
    that were aborted, or are not yet committed, are not delivered; what is handed out and unsettled is bounded.
    Not promised: at most once. After a crash or a rebalance, records that were not settled, or settled within the
    last `commit_interval`, are delivered again: make what you do with a record idempotent by its `event_id`. A record
    whose retention has passed unread is gone; reading then raises Stopped and says how many, rather than skip them.

        with Subscriber(Connection.load("cdc"), ["dear-masks"], group="warehouse") as subscriber:
            for delivery in subscriber:
                store(delivery.record)
                delivery.settle()

    Without a group nothing is stored, and every partition is read from `start`. One thread reads; any may settle.
    """

    def __init__(
        self,
        connection: Connection,
        feeds: Sequence[str],
        *,
        group: str | None = None,
        start: Start = "beginning",
        options: SubscriberOptions = SubscriberOptions(),  # noqa: B008 - frozen
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`feeds` are names of the principal's own feeds, or `<consumer>/<feed>`; `start` is where reading begins where
        the group has stored no position. Nothing connects before open(), which `with` calls.
        """
        if not feeds:
            raise ValueError("a subscriber reads at least one feed")
        if isinstance(start, datetime) and start.tzinfo is None:
            raise ValueError(f"start {start} has no time zone; say which instant is meant")
        own = connection.principal
        self._feeds = {_topic(name): name for name in (feed if "/" in feed else f"{own}/{feed}" for feed in feeds)}
        self._connection, self._start, self._options, self._monotonic = connection, start, options, monotonic
        self._group = None if group is None else f"{own}.{group}"
        self._consumer: Any = None
        self._registry: Registry | None = None
        self._decoder = FeedDecoder(self._schema_of)
        self._progress: dict[TopicPartition, Progress] = {}
        self._stored: dict[TopicPartition, int] = {}
        self._committing: Any = None
        self._fetched: deque[tuple[Progress, Any]] = deque()
        self._stopping = self._closed = False
        self._last_commit = self._last_room = monotonic()

    def __repr__(self) -> str:
        return f"Subscriber({list(self._feeds.values())}, group={self._group!r})"

    def open(self) -> Self:
        """Connect and log in. Raises Unavailable, Denied or NotFound; may then be called again, for ever."""
        if self._closed:
            raise Stopped(f"{self!r} is closed; make a new one")
        if self._consumer is None:
            consumer = open_consumer(self._connection, self._group, without_offset="none")
            try:
                self._attach(consumer)
            except BaseException:
                consumer.close(timeout_ms=0)
                raise
            self._registry = Registry(self._connection)
            self._consumer = consumer
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Delivery]:
        """Every record as it comes, until stop()."""
        while not self._stopping and not self._closed:
            yield from self.poll()

    def read_to_end(self) -> Iterator[Delivery]:
        """Every record up to the end that the feeds have now, or until stop(). For a subscriber without a group."""
        with told(self._connection, f"to look for the ends of {', '.join(self._feeds)}"):
            ends = self._consumer.end_offsets(list(self._consumer.assignment()), timeout_ms=self._close_ms)
        while not self._stopping and (self._fetched or any(self._behind(place, end) for place, end in ends.items())):
            yield from self.poll(0.2)

    def poll(self, timeout: float = 1.0, limit: int = 500) -> list[Delivery]:
        """The next records, at most `limit`; none if `timeout` seconds pass before one comes.

        Raises Denied, Unavailable (the registry does not tell a schema; what was fetched is kept for the next call) or
        Stopped. A Kafka that does not answer is waited for: no record comes meanwhile.
        """
        if self._consumer is None or self._closed:
            raise Stopped(f"{self!r} is not open; use it in a `with` block, or call open()")
        if self._monotonic() - self._last_commit >= self._options.commit_interval.total_seconds():
            self._commit_meanwhile()
        if not self._fetched:
            self._fetch(timeout, limit)
        return self._decoded(limit)

    def receipt(self, delivery: Delivery) -> Receipt:
        """What to keep of a delivery, so that the bus's ledger can prove it later. It holds the record."""
        at = delivery.appended_at
        return Receipt(
            bus=cluster_of(self._consumer),
            feed=delivery.topic.removeprefix("feed.").replace(".", "/", 1),
            entity=str(delivery.record["entity_id"]),
            at=round(at.timestamp() * 1000),
            key=delivery.key,
            value=delivery.value,
        )

    def commit(self) -> None:
        """Store what is settled, and wait until it is stored; poll() does so by itself, without waiting."""
        offsets = self._settled()
        if not offsets:
            return
        try:
            self._consumer.commit(offsets, timeout_ms=self._close_ms)
        except _MOVED:
            return  # a rebalance took the partitions: their next reader gets these records again
        except KafkaError as error:
            raise in_our_words(error, self._connection, f"to store the position of group {self._group}") from error
        self._store(offsets)

    def stop(self) -> None:
        """End iteration after the records at hand. From any thread or signal handler."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether stop() or close() was called."""
        return self._stopping

    def close(self) -> None:
        """Store what is settled, leave the group, disconnect. Bounded by `close_timeout`; safe to call twice.

        Never called, or cut short, it costs repeats and no record.
        """
        self._stopping = True
        if self._closed:
            return
        self._closed = True
        if self._consumer is not None:
            end = self._monotonic() + self._options.close_timeout.total_seconds()
            with suppress(GebusError):
                self.commit()
            self._consumer.close(timeout_ms=max(0, round((end - self._monotonic()) * 1000)))
        if self._registry is not None:
            self._registry.close()

    @property
    def _close_ms(self) -> int:
        return self._options.close_timeout // timedelta(milliseconds=1)

    def _attach(self, consumer: Any) -> None:
        with told(self._connection, f"to read {', '.join(self._feeds)}"):
            places = [
                TopicPartition(topic, partition)
                for topic in self._feeds
                for partition in sorted(consumer.partitions_for_topic(topic))
            ]
        missing = sorted(set(self._feeds) - {place.topic for place in places})
        if missing:
            raise Denied(
                f"{self._connection.principal} may not read {', '.join(missing)}, or there is no such feed; a consumer "
                "reads its own feeds alone, and `gebus apply` makes those that the catalogue has"
            )
        if self._group is None:
            consumer.assign(places)
            self._begin(consumer, places)
        else:
            consumer.subscribe(list(self._feeds), listener=_Rebalance(self, consumer))

    def _begin(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        """Go to where reading begins in these partitions."""
        if self._start == "beginning":
            consumer.seek_to_beginning(*places)
            return
        with told(self._connection, f"to look for the {self._start} of {', '.join(self._feeds)}"):
            # Looked up now, rather than by seek_to_end, which would mean the end at some later poll().
            begins = consumer.end_offsets(places, timeout_ms=self._close_ms)
            if isinstance(self._start, datetime):
                instant = round(self._start.timestamp() * 1000)
                found = consumer.offsets_for_times(dict.fromkeys(places, instant), timeout_ms=self._close_ms)
                begins |= {place: first.offset for place, first in found.items() if first is not None}
        for place in places:
            consumer.seek(place, begins[place])

    def _fetch(self, timeout: float, limit: int) -> None:
        room = self._options.unsettled - sum(len(progress) for progress in self._progress.values())
        if room > 0:
            self._last_room = self._monotonic()
        elif self._monotonic() - self._last_room > self._options.settle_timeout.total_seconds():
            raise Stopped(
                f"{self._options.unsettled} records of {', '.join(self._feeds.values())} were handed out and none of "
                f"them was settled for {self._options.settle_timeout}; settle what is done before reading on"
            )
        else:
            # Polled all the same, so that the group keeps this member; nothing is fetched while all is paused.
            self._consumer.pause(*self._consumer.assignment())
        try:
            batches = self._consumer.poll(round(timeout * 1000), max_records=max(1, min(limit, room)))
        except NoOffsetForPartitionError as error:
            self._begin(self._consumer, list(error.args[0]))
            return
        except OffsetOutOfRangeError as error:
            raise self._gap(error) from error
        except KafkaError as error:
            raise in_our_words(error, self._connection, f"to read {', '.join(self._feeds)}") from error
        finally:
            if room <= 0:
                self._consumer.resume(*self._consumer.paused())
        for place, records in batches.items():
            progress = self._progress.setdefault(place, Progress())
            self._fetched.extend((progress, record) for record in records)

    def _decoded(self, limit: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        while self._fetched and len(deliveries) < limit:
            progress, raw = self._fetched[0]
            if not progress.detached:
                try:
                    record = self._decoder.decode(raw.value)
                except Undecodable as error:
                    if deliveries:
                        break  # those before it first; the next call comes back to this one
                    place = f"{raw.topic}, partition {raw.partition}, offset {raw.offset}"
                    raise Stopped(f"{place} cannot be read: {error}; show this to the operator of the bus") from None
                except GebusError:
                    if deliveries:
                        break
                    raise
                if self._group is not None:
                    progress.hand_out(raw.offset)
                deliveries.append(Delivery(progress, self._feeds[raw.topic], raw, record))
            self._fetched.popleft()
        return deliveries

    def _commit_meanwhile(self) -> None:
        # In the background: a broker that is silent must not hold up poll(). What fails is tried at the next interval.
        self._last_commit = self._monotonic()
        if self._committing is not None and not self._committing.is_done:
            return
        offsets = self._settled()
        if offsets:
            self._committing = self._consumer.commit_async(offsets)
            self._committing.add_callback(lambda _: self._store(offsets))

    def _store(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self._stored.update({place: offset.offset for place, offset in offsets.items()})

    def _settled(self) -> dict[TopicPartition, OffsetAndMetadata]:
        positions = {place: progress.position for place, progress in self._progress.items()}
        return {
            place: OffsetAndMetadata(position, "", -1)
            for place, position in positions.items()
            if position is not None and position != self._stored.get(place)
        }

    def _keep(self, places: Collection[TopicPartition]) -> None:
        """Let go of every partition but these, which stay as they are: their unsettled records are not read again."""
        for place in self._progress.keys() - set(places):
            self._progress.pop(place).detached = True
            self._stored.pop(place, None)

    def _behind(self, place: TopicPartition, end: int) -> bool:
        # The position, not the last record: the markers that end a transaction take an offset each.
        with told(self._connection, f"to read {place.topic}"):
            position: int = self._consumer.position(place, timeout_ms=self._close_ms)
        return position < end

    def _gap(self, error: OffsetOutOfRangeError) -> Stopped:
        return Stopped(
            f"{', '.join(self._feeds.values())}: {error}; the retention passed before these records were read, or the "
            "feed was made anew. What is held still can be read by another group, or without one"
        )

    def _schema_of(self, schema_id: int) -> str:
        assert self._registry is not None  # noqa: S101 - opened together with the consumer
        try:
            return self._registry.schema_by_id(schema_id)
        except NotFound:
            raise Undecodable(f"the registry has no schema {schema_id}") from None


class _Rebalance(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Keeps a subscriber's account of its partitions in step with the group. It runs inside the consumer's poll().

    kafka-python revokes all partitions at each rebalance, but goes on after the old position of each that comes back.
    So nothing is let go of before the new assignment says which are gone: a record that is unsettled in a partition
    that comes back would otherwise neither be read again nor hold the stored position back.
    """

    def __init__(self, subscriber: Subscriber, consumer: Any) -> None:
        self._subscriber, self._consumer = subscriber, consumer

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - all of them
        offsets = self._subscriber._settled()
        if offsets and not self._subscriber._closed:  # close() has stored them, or knows why not
            with suppress(KafkaError):
                await self._consumer.commit_async(offsets)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._subscriber._keep(assigned)

    async def on_partitions_lost(self, lost: Any) -> None:  # noqa: ARG002 - all of them
        self._subscriber._keep(())


def _topic(feed: str) -> str:
    consumer, _, name = feed.partition("/")
    return f"feed.{consumer}.{name}"
