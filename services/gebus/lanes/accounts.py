"""What became of every record, as the state topics tell it: readable without kernel and without workers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place, Slice
from gebus.lanes.ports import Consumer
from gebus.model.errors import Stopped
from gebus.plan import LanePlan

ACCOUNT_KEY = b"account"
ACCOUNT_VERSIONS = (1, 2)
"""The first knew neither `more` nor `waiting`: nothing made any then."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records of one topic in one feed.

    `more` is what came of a record beyond one: further matches, and what was made when its time was over. `waiting`
    are records that a relation remembered, and that nothing came of when they arrived.
    """

    taken: int = 0
    more: int = 0
    delivered: int = 0
    filtered: int = 0
    duplicate: int = 0
    withheld: int = 0
    dead: int = 0
    waiting: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the accounts: a Kafka topic in one feed, over all slices; `feed` is empty for the source itself."""

    contract: str
    topic: str
    feed: str
    counts: Counts

    @property
    def adds_up(self) -> bool:
        """Whether every record that was taken, and all that was made of it, became exactly one thing.

        Of a source only taken and dead are counted.
        """
        counts = self.counts
        became = counts.delivered + counts.filtered + counts.duplicate + counts.withheld + counts.dead + counts.waiting
        return counts.taken + counts.more == became if self.feed else counts.dead <= counts.taken

    def as_json(self) -> dict[str, Any]:
        """The row for machines."""
        return {
            "contract": self.contract,
            "topic": self.topic,
            "feed": self.feed or None,
            **asdict(self.counts),
            "adds_up": self.adds_up,
        }


def read_accounts(consumer: Consumer, plans: Sequence[LanePlan]) -> list[Row]:
    """The accounts of all slices of these lanes, added up by topic and feed; in order, the source before its feeds.

    Promised: committed records alone count, and of each slice its last word on each topic and feed. Not promised: one
    moment for all slices, while lanes run.
    """
    slices = [Slice(plan.name, number) for plan in plans for number in range(plan.partitions)]
    contracts = {topic: one.contract for plan in plans for one in plan.inputs for topic in one.topics}
    last: dict[tuple[Place, str, str], Counts] = {}
    for message in read_to_end(consumer, [owned.state for owned in slices]):
        if message.key() == ACCOUNT_KEY:
            place = Place(message.topic(), message.partition())
            for (topic, feed), counts in _entries(message.value() or b"", f"{place} at offset {message.offset()}"):
                last[place, topic, feed] = counts
    # Every lane that reads a topic has an account of it as a source; the one that has read it longest tells most.
    most: dict[tuple[int, str, str], Counts] = {}
    for (place, topic, feed), counts in last.items():
        key = place.partition, topic, feed
        most[key] = max(most.get(key, counts), counts, key=lambda one: one.taken)
    totals: dict[tuple[str, str], Counts] = {}
    for (_, topic, feed), counts in most.items():
        totals[topic, feed] = totals.get((topic, feed), Counts()) + counts
    rows = [Row(contracts.get(topic, ""), topic, feed, counts) for (topic, feed), counts in totals.items()]
    return sorted(rows, key=lambda row: (row.contract, row.topic, row.feed))


def _entries(value: bytes, where: str) -> Iterable[tuple[tuple[str, str], Counts]]:
    try:
        record = json.loads(value)
        if record["version"] not in ACCOUNT_VERSIONS:
            allowed = " and ".join(map(str, ACCOUNT_VERSIONS))
            raise Stopped(f"{where}: an account of version {record['version']}; this gebus reads {allowed}")
        for topic, entry in record["topics"].items():
            yield (topic, ""), Counts(taken=entry["taken"], dead=entry["dead"])
            feeds: Mapping[str, Mapping[str, int]] = entry["feeds"]
            for feed, counts in feeds.items():
                yield (topic, feed), Counts(**counts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Stopped(f"{where}: not an account that a lane wrote ({type(error).__name__}: {error})") from error
