"""The inputs of the ordered shares: gathered from the batches, and released in the order of the log's time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import compress, count
from operator import ne
from typing import Any

from confluent_kafka import Message as KafkaMessage

from gebus.lanes.errors import told
from gebus.lanes.order import End, Merge
from gebus.lanes.places import Lanes, Place, Share, kafka
from gebus.lanes.ports import Clock, Consumer, Ends, Message
from gebus.lanes.settings import LaneSettings

_topic: Callable[[Any], Any] = KafkaMessage.topic
_partition: Callable[[Any], Any] = KafkaMessage.partition
_HIDDEN_MS = 50
"""So long after its append time a record may come to be seen: the broker was held up between the two, or replicas were
late."""
_CLOCKS_APART_MS = 60_000
"""So far this machine's clock may run ahead of the brokers' without any harm."""
_CLOCKS_SLEWED_MS = 5_000
"""So far a broker's clock may fall behind what it showed, and what has passed since, without any harm."""


class OrderedInputs:
    """Holds the records of ordered shares back until their turn has come.

    Promised: the loop is never kept waiting for an answer of the broker; an input that runs ahead of the others is not
    read meanwhile, so that what is held stays bounded; what was not released when a share went elsewhere is read again
    by its next owner. Not promised: a turn for a record before every other input of its share has passed it, or is
    known to be read to its end.
    """

    def __init__(
        self, lanes: Lanes, consumer: Consumer, open_ends: Callable[[], Ends], clock: Clock, settings: LaneSettings
    ) -> None:
        self._lanes, self._consumer, self._open_ends = lanes, consumer, open_ends
        self._clock, self._settings = clock, settings
        self._merges: dict[Share, Merge] = {}
        """Of every ordered share that is live."""
        self._waiting: set[Share] = set()
        """The shares that hold records; all work of a turn is for these alone."""
        self._ends: Ends | None = None
        self._asked: frozenset[Place] = frozenset()
        self._floor_ms = -1
        """What is promised of the ends that were asked for, see `End.floor_ms`."""
        self._ask_at = 0.0
        self._newest_ms = -1
        self._since = 0.0
        self._wants_ends = False
        self._more = False
        self._most = (0, 0)
        """How many records and bytes of one input may wait."""

    def patience(self, seconds: float) -> float:
        """How long the loop may wait for a record that would otherwise wait so many seconds."""
        if self._more:
            return 0.0
        return min(seconds, self._settings.order_wait) if self._asked or self._wants_ends else seconds

    def live(self, shares: Iterable[Share], starts: Mapping[Place, int]) -> None:
        """These shares, of all that became live, are read from now on."""
        for share in filter(self._lanes.is_ordered, shares):
            self._merges[share] = Merge({place: starts.get(place, -1) for place in self._lanes.places(share)})
        self._divide()

    def revoked(self, live: Collection[Share]) -> None:
        """Only these shares are live still; all inputs of the others are read again when they become live."""
        self._merges = {share: merge for share, merge in self._merges.items() if share in live}
        self._waiting.intersection_update(live)
        self._divide()

    def gather(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Take in what belongs to ordered shares; returns the rest, in its order."""
        if not self._merges or not messages:
            return messages
        rest: list[Message] = []
        for topic, partition, run in runs(messages):
            if topic in self._lanes.ordered_topics:
                self._add(Place(topic, partition), run)
            else:
                rest += run
        return rest

    def read_to(self, place: Place, offset: int) -> None:
        """A partition was read to its end."""
        merge = self._merges.get(self._lanes.share(place))
        if merge is not None:
            merge.read_to(place, offset)

    def release(self, limit: int, held: Collection[Share]) -> list[Message]:
        """The next records of every live share but those held, `limit` of them at most."""
        self._hear()
        found: list[Message] = []
        unsure: list[Place] = []
        for share in sorted(self._waiting):
            merge = self._merges[share]
            if share not in held and len(found) < limit:
                found += merge.release(limit - len(found))
                unsure += merge.unsure()
            slow_down(self._consumer, merge, *self._most)
            if not merge.holds_records:
                self._waiting.discard(share)
        self._more = len(found) >= limit
        self._ask(unsure)
        return found

    def give_back(self, share: Share, messages: Iterable[Message]) -> None:
        """Those of these records that belong to a share were not taken: they are the next of it."""
        mine = [one for one in messages if self._lanes.share(Place(one.topic(), one.partition())) == share]
        self._merges[share].give_back(mine)
        self._waiting.add(share)

    def position(self, place: Place) -> int:
        """The first offset of an ordered input that is not released; below 0 where nothing was read."""
        merge = self._merges.get(self._lanes.share(place))
        return -1 if merge is None else merge.position(place)

    def clock_ms(self, share: Share) -> int | None:
        """No record appended before this is still to come of a live share; None while nothing is known of it."""
        clock_ms = self._merges[share].clock_ms
        return clock_ms if clock_ms >= 0 else None

    def renew(self) -> None:
        """Ask where silent inputs end, so that the clocks of shares that get no records go on as well.

        They follow the newest record that came, and where nothing is published any more the time that has passed since,
        a few seconds behind it; where nothing came at all this machine's clock, a minute behind it. What is appended
        after the question has a later time than that.
        """
        until_ms = max(self._newest_ms, self._clock.now_ms() - _CLOCKS_APART_MS)
        if self._newest_ms >= 0:
            until_ms = max(until_ms, self._shown_ms() - _CLOCKS_SLEWED_MS)
        self._ask([place for merge in self._merges.values() for place in merge.unsure(until_ms)], until_ms)

    def buffered(self) -> dict[Place, int]:
        """How many records of each input of the live shares wait for their turn."""
        return {place: count for merge in self._merges.values() for place, count in merge.counts().items()}

    def _add(self, place: Place, run: Sequence[Message]) -> None:
        share = self._lanes.share(place)
        if share not in self._merges:  # it went elsewhere, and is read again by whoever has it
            return
        self._merges[share].add(place, run)
        self._waiting.add(share)
        newest = run[-1].timestamp()[1]
        if newest > self._newest_ms:
            self._newest_ms, self._since = newest, self._clock.monotonic()

    def _ask(self, places: Collection[Place], until_ms: int = -1) -> None:
        """Ask where these end, unless an answer is under way, or the client itself knows that more is to come.

        `until_ms`: a time that lies before whatever is appended from now on, if one is known.
        """
        asked = frozenset(filter(self._may_be_at_its_end, places))
        self._wants_ends = bool(asked)
        now = self._clock.monotonic()
        if not asked or self._asked or now < self._ask_at:
            return
        if self._ends is None:
            self._ends = self._open_ends()
        # A millisecond after the newest record came, the broker's clock shows a later one than its append time.
        self._asked = asked
        # What the broker stamped in the last moment before the answer may not be visible yet.
        self._floor_ms = max(min(self._newest_ms + 1, self._shown_ms() - _HIDDEN_MS), until_ms)
        self._ask_at = now + self._settings.order_ask
        with told("asking for the ends of inputs"):
            self._ends.ask(asked)

    def _shown_ms(self) -> int:
        """What the brokers' clock shows at least: the newest append time that came, and what has passed since."""
        return self._newest_ms + int((self._clock.monotonic() - self._since) * 1000)

    def _hear(self) -> None:
        """Take an answer in, if one has come."""
        ends = self._ends.answer() if self._asked and self._ends is not None else None
        if ends is None:
            return
        for place, offset in ends.items():
            merge = self._merges.get(self._lanes.share(place))
            if merge is not None:
                merge.ended(place, End(offset, self._floor_ms))
        if len(ends) < len(self._asked):  # a leader moves, or a broker is away: not asked again at once
            self._ask_at = self._clock.monotonic() + self._settings.busy_wait
        self._asked = frozenset()

    def _may_be_at_its_end(self, place: Place) -> bool:
        known = self._consumer.get_watermark_offsets(place.kafka(), cached=True)
        return known is None or known[1] <= self._merges[self._lanes.share(place)].reached(place)

    def _divide(self) -> None:
        inputs = sum(len(self._lanes.places(share)) for share in self._merges) or 1
        settings = self._settings
        self._most = max(settings.batch, settings.ahead_records // inputs), settings.ahead_bytes // inputs


def slow_down(consumer: Consumer, merge: Merge, records: int, size: int) -> None:
    """Pause the inputs that run ahead by more than so many records or bytes, resume those that have come back."""
    for act, places in (
        (consumer.pause, merge.too_far(records, size)),
        (consumer.resume, merge.caught_up(records, size)),
    ):
        if places:
            with told(f"pausing or resuming {', '.join(map(str, places))}"):
                act(kafka(places))


def runs(messages: Sequence[Message]) -> Iterable[tuple[str, int, Sequence[Message]]]:
    """The batch cut where topic or partition changes; nothing is done a record at a time."""
    places = list(zip(map(_topic, messages), map(_partition, messages), strict=True))
    starts = [0, *compress(count(1), map(ne, places, places[1:]))]
    for start, end in zip(starts, [*starts[1:], len(messages)], strict=True):
        yield *places[start], messages[start:end]
