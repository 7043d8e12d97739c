"""How records reach a feed, in plain Python: as they are, under another key, or in every slice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gebus.model.base import milliseconds
from gebus.model.catalogue import Catalogue
from gebus.model.feed import Feed, JoinStep, ReconcileStep
from gebus.model.key import encode_key
from gebus.model.relation import Join, Reconcile
from gebus.model.topic import TopicContract
from gebus.testing.oracle_derive import Record, entity_of


@dataclass(frozen=True, slots=True)
class Way:
    """How the records of a contract come to a feed."""

    contract: str
    how: Literal["as it is", "by", "to-all"]
    key: tuple[str, ...]
    partitions: int
    moves: bool = False
    """Whether it is told where an entity was that has another key now."""

    @property
    def topic(self) -> str:
        """The Kafka topic of the copies."""
        middle = f"by.{'.'.join(self.key)}" if self.how == "by" else "to-all"
        return f"gebus.rekey.{self.contract}.{middle}.{self.partitions}{'.moves' if self.moves else ''}"


def relation_of(feed: Feed) -> Join | Reconcile | None:
    """The one step of a feed that brings records together, if it has one."""
    for step in feed.steps:
        if isinstance(step, JoinStep):
            return step.join
        if isinstance(step, ReconcileStep):
            return step.reconcile
    return None


def ways_of(feed: Feed, catalogue: Catalogue) -> dict[str, Way]:
    """By alias."""
    contracts = {alias: catalogue.topics[topic] for alias, topic in feed.sources.items()}
    relation = relation_of(feed)
    if isinstance(relation, Join):
        return _joined(
            relation, contracts[relation.left], contracts[relation.right], moves=feed.corrections == "follow"
        )
    if isinstance(relation, Reconcile) and not set(contracts[relation.of].key) <= set(relation.key):
        contract = contracts[relation.of]
        return {relation.of: Way(contract.topic, "by", relation.key, contract.partitions, moves=True)}
    return {alias: _as_it_is(contract) for alias, contract in contracts.items()}


def first_topic(way: Way, catalogue: Catalogue) -> str:
    """The Kafka topic on whose account stands what time brings."""
    contract = catalogue.topics[way.contract]
    return contract.kafka_topic(min(contract.publishers)) if way.how == "as it is" else way.topic


def brought_together_by(feed: Feed, catalogue: Catalogue) -> tuple[str, ...]:
    """The fields that records of one key agree in, in the order of that key."""
    relation = relation_of(feed)
    if isinstance(relation, Reconcile):
        return relation.key
    if relation is None:
        return ()
    left, right = (catalogue.topics[feed.sources[alias]].key for alias in (relation.left, relation.right))
    return next((key for key in (left, right) if sorted(key) == sorted(relation.on)), relation.on)


def _as_it_is(contract: TopicContract) -> Way:
    return Way(contract.topic, "as it is", contract.key, contract.partitions)


def _joined(join: Join, left: TopicContract, right: TopicContract, *, moves: bool) -> dict[str, Way]:
    ways = {join.left: _as_it_is(left), join.right: _as_it_is(right)}
    if join.broadcast == "left":
        return ways | {join.left: Way(left.topic, "to-all", left.key, right.partitions)}
    if join.broadcast == "right":
        return ways | {join.right: Way(right.topic, "to-all", right.key, left.partitions)}
    if left.key == right.key and left.partitions == right.partitions and set(left.key) <= set(join.on):
        return ways
    on = next((key for key in (left.key, right.key) if sorted(key) == sorted(join.on)), join.on)
    stays = join.left if left.key == on else join.right if right.key == on else None
    partitions = right.partitions if stays == join.right else left.partitions
    return {
        alias: _as_it_is(contract) if alias == stays else Way(contract.topic, "by", on, partitions, moves)
        for alias, contract in ((join.left, left), (join.right, right))
    }


@dataclass(frozen=True, slots=True)
class Copy:
    """A record that a lane writes for another one; a partition of None is where the key belongs."""

    topic: str
    key: bytes
    partition: int | None
    record: Record
    moved: bool = False
    """Whether the key is not that of its own fields."""


@dataclass(slots=True)
class Copier:
    """One way that is not as it is: what is written for each record of its contract.

    A new revision under another key is also written under the key that its entity leaves, and a late one where its
    entity stands.
    """

    way: Way
    moves_ms: int | None
    _last: dict[tuple[int, tuple[str, str]], tuple[str, int, int]] = field(default_factory=dict)

    def copies(self, record: Record, kafka_key: bytes, partition: int, at_ms: int) -> list[Copy]:
        """The copies of a good record, in their order."""
        if self.way.how == "to-all":
            return [Copy(self.way.topic, kafka_key, number, record) for number in range(self.way.partitions)]
        key = text_key(record, self.way.key)
        places = [key]
        if self.moves_ms is not None:
            entity = partition, entity_of(record)
            stands, revision, since = self._last.get(entity, (key, -1, at_ms))
            if at_ms - since > self.moves_ms:
                stands, revision = key, -1
            if record["revision"] > revision:
                places += [stands] if stands != key else []
                self._last[entity] = key, record["revision"], at_ms
            else:
                places = [stands]
        return [Copy(self.way.topic, place.encode(), None, record, place != key) for place in places]


def copiers(catalogue: Catalogue) -> list[Copier]:
    """Everything that some feed needs copied; the longest memory that one asks for serves all."""
    found: dict[str, Copier] = {}
    for feed in catalogue.feeds.values():
        relation = relation_of(feed)
        for way in ways_of(feed, catalogue).values():
            if way.how == "as it is" or relation is None:
                continue
            copier = found.setdefault(way.topic, Copier(way, None))
            if way.moves:
                copier.moves_ms = max(copier.moves_ms or 0, milliseconds(relation.within))
    return list(found.values())


def text_key(record: Record, fields: tuple[str, ...]) -> str:
    return encode_key([record[name] for name in fields]).decode()
