"""The lanes follow the control topics: which feeds have a live grant, and which modes hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition
from gebus_kernel import Kernel

from gebus.lanes.errors import SessionEnded, in_our_words, told
from gebus.lanes.leaves import Leaves
from gebus.lanes.log import MISSING
from gebus.lanes.places import Place
from gebus.lanes.ports import Clock, Message
from gebus.model.control import FOLLOWED, Known
from gebus.model.errors import GebusError, NotFound, Unavailable
from gebus.model.feed import Feed

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_REPEAT_SECONDS, _REPEATED_SECONDS = 1.0, 10.0
"""Longer than a revocation waits for a worker's word."""
_BATCH = 500
_START_SECONDS = 30.0
_PASSES = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT})
"""What librdkafka says while no broker answers, and goes on by itself."""


class Reader(Protocol):
    """What is asked of the consumer of the control topics."""

    def assign(self, partitions: list[TopicPartition]) -> None: ...
    def consume(self, num_messages: int, timeout: float) -> list[Any]: ...
    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> Any: ...
    def close(self) -> None: ...


class Follower:
    """Reads the control topics from their beginning and goes on.

    Promised: `begin` returns when all that was committed before it was read. Not promised: that `look` sees anything
    while no broker answers.
    """

    def __init__(self, consumer: Reader, clock: Clock) -> None:
        self._consumer, self._clock = consumer, clock
        self.known = Known()
        self.read: dict[Place, int] = {}
        """The offset after the last record, by topic."""

    def begin(self) -> None:
        """Read up to the end. NotFound where a topic is missing, Unavailable where nothing comes."""
        places = [Place(topic, 0) for topic in FOLLOWED]
        with told("beginning to read the control topics"):
            self._consumer.assign([place.kafka(OFFSET_BEGINNING) for place in places])
        left, deadline = set(places), self._clock.monotonic() + _START_SECONDS
        while left:
            if self._clock.monotonic() > deadline:
                raise Unavailable(f"nothing came of {min(left)} for {_START_SECONDS:g} s; `gebus status` shows more")
            with told("reading the control topics"):
                messages = self._consumer.consume(_BATCH, 0.1)
            for message in messages:
                if message.error() is None:
                    self._take(message)
                elif self._is_end(message.error(), message):
                    left.discard(Place(message.topic(), message.partition()))

    def look(self) -> bool:
        """Take in what has come; whether anything has. SessionEnded or Denied where what is known may no longer be
        what the topics say."""
        with told("reading the control topics"):
            messages = self._consumer.consume(_BATCH, 0.0)
        fresh = False
        for message in messages:
            if message.error() is None:
                self._take(message)
                fresh = True
                continue
            try:
                self._is_end(message.error(), message)
            except NotFound as error:  # gone since it was read: that is the next session's trouble, if it still is
                raise SessionEnded(f"what was granted is not known any more: {error}") from error
        return fresh

    def confirm(self) -> None:
        """Tell the group how far this follower's process has taken the topics in, without waiting for an answer."""
        offsets = [place.kafka(offset) for place, offset in self.read.items()]
        if offsets:
            with told("confirming the control topics"):
                self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Message) -> None:
        self.known.take(message.topic(), message.key(), message.value(), message.timestamp()[1])
        self.read[Place(message.topic(), message.partition())] = message.offset() + 1

    def _is_end(self, error: KafkaError, message: Message) -> bool:
        """Whether a partition's end came in a message's place. What passes is waited for, all else raised: a topic
        that was made anew or cut says so here alone."""
        if error.code() == KafkaError._PARTITION_EOF:
            return True
        topic = message.topic() or "the control topics"
        if error.code() in MISSING:
            raise NotFound(f"Kafka has no topic {topic}; run `gebus apply`")
        if error.code() not in _PASSES and not error.retriable():
            raise in_our_words(error, f"reading {topic}")
        return False


class Control(Protocol):
    """What a session asks of the control topics."""

    def changed(self) -> bool: ...
    def tell(self, kernel: Kernel, leaves: Leaves, *, confirm: bool) -> None: ...
    def confirm(self) -> None: ...


class LaneControl:
    """What the lanes of one worker may deliver now.

    Promised: a feed without a live grant, or that asks for more than its grant, delivers nothing; a kernel that was
    told knows all that was committed to the control topics before `changed` last said so; what time alone changes is
    said by `changed` as well. A clock that goes back opens nothing again: it is never earlier than the newest record
    here. `changed` raises where Kafka says that a topic is gone or was cut, and all is read from the beginning then.
    Not promised: that a change is known while no broker answers.
    """

    def __init__(self, open_reader: Callable[[], Reader], feeds: Mapping[str, Feed], clock: Clock) -> None:
        self._open, self._feeds, self._clock = open_reader, feeds, clock
        self._follower: Follower | None = None
        self._look_at = self._repeat_at = self._repeat_until = 0.0
        self._change_at: int | None = None
        self._said: Mapping[str, str] = {}

    def changed(self) -> bool:
        """Whether the kernel must be told anew; asks the client a few times a second at most."""
        now = self._clock.monotonic()
        if self._follower is None or now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        try:
            fresh = self._follower.look()
        except GebusError:
            self.close()  # the next session reads from the beginning: what it knew may be no more
            raise
        if not fresh and self._repeat_at <= now < self._repeat_until:
            self._follower.confirm()
            self._repeat_at = now + _REPEAT_SECONDS
        return fresh or (self._change_at is not None and self._now() >= self._change_at)

    def tell(self, kernel: Kernel, leaves: Leaves, *, confirm: bool) -> None:
        """Let the kernel know; between two transactions alone. `confirm` as who holds the slot."""
        follower = self._begun()
        now, known = self._now(), follower.known
        until: dict[str, int] = {}
        for name, grants in known.grants.items():
            feed, grant = self._feeds.get(name), grants.active(now)
            if feed is None or grant is None:
                continue
            beyond = grant.lets_flow(feed)
            if beyond:
                _log.warning("feed %s: nothing is delivered: %s; `gebus grant request %s`", name, beyond, name)
                continue
            until[name] = grant.terms.expires
            leaves.granted(name, grant.id)
        kernel.set_grants(until)
        holding = known.holding(now)
        kernel.set_modes([(mode.mode, mode.prefix, mode.since or 0, mode.until) for mode in holding])
        leaves.modes([mode.mode for mode in holding])
        self._change_at = known.next_change(now)
        self._repeat_until = 0.0
        if confirm:
            self.confirm()
        self._say(until, known, [mode.mode for mode in holding])

    def confirm(self) -> None:
        """Say for the slot that its worker acts by what the kernel was told, now and again for a while: an answer may
        be lost. Only for who has ended what an earlier process of the slot left open, and may still commit."""
        self._begun().confirm()
        now = self._clock.monotonic()
        self._repeat_at, self._repeat_until = now + _REPEAT_SECONDS, now + _REPEATED_SECONDS
        self._look_at = now  # what has come since the topics were read counts before the first record

    def close(self) -> None:
        """Close the client; safe to call twice."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def _begun(self) -> Follower:
        if self._follower is None:
            follower = Follower(self._open(), self._clock)
            try:
                follower.begin()
            except GebusError:
                follower.close()
                raise
            self._follower = follower
        return self._follower

    def _now(self) -> int:
        newest = self._follower.known.newest_ms if self._follower else 0
        return max(self._clock.now_ms(), newest)

    def _say(self, until: Mapping[str, int], known: Known, modes: list[str]) -> None:
        without = sorted(set(self._feeds) - set(until))
        said = {"grants": ", ".join(without), "modes": ", ".join(modes), **known.broken}
        for what, text in said.items():
            if text != self._said.get(what, ""):
                level = logging.WARNING if what in known.broken else logging.INFO
                words = {"grants": "without a live grant", "modes": "modes that hold"}.get(
                    what, f"{what} does not count"
                )
                _log.log(level, "%s: %s", words, text or "none")
        self._said = said
