"""How the sources of a feed come to its lane: as they are, rekeyed, or copied to every slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gebus.model.base import milliseconds
from gebus.model.catalogue import Catalogue
from gebus.model.event import EventSchema
from gebus.model.feed import Feed, JoinStep, ReconcileStep
from gebus.model.relation import Join
from gebus.model.topic import TopicContract
from gebus.plan.refusal import Refusal
from gebus.plan.values import InputPlan, RekeyPlan

REKEY_PREFIX = "gebus.rekey."
"""Kafka topics of rekeyed and broadcast inputs begin so; lanes alone write and read them."""
_LONGEST = 249 - len(REKEY_PREFIX)
"""What Kafka leaves of a topic's name; the prefix of state topics is as long."""


@dataclass(frozen=True, slots=True)
class Input:
    """One source as a lane reads it: under the Kafka key `key`, in `partitions` partitions."""

    contract: TopicContract
    how: Literal["as it is", "rekeyed", "broadcast"]
    key: tuple[str, ...]
    partitions: int
    moves: bool = False
    """Whether it is told under the old key too when a revision has another. Such an input has a name of its own: a
    feed that takes each event on its own must get the same whether or not another feed follows corrections."""

    @property
    def name(self) -> str:
        match self.how:
            case "as it is":
                return self.contract.topic
            case "rekeyed":
                name = f"{self.contract.topic}.by.{'.'.join(self.key)}.{self.partitions}"
                return f"{name}.moves" if self.moves else name
            case "broadcast":
                return f"{self.contract.topic}.to-all.{self.partitions}"

    @property
    def internal(self) -> bool:
        return self.how != "as it is"

    @property
    def topic(self) -> str:
        """The Kafka topic of an internal input."""
        return f"{REKEY_PREFIX}{self.name}"

    def plan(self, event: EventSchema) -> InputPlan:
        """The input as a part of a lane plan."""
        contract = self.contract
        topics = {contract.kafka_topic(party): party for party in sorted(contract.publishers)}
        return InputPlan(
            name=self.name,
            contract=contract.topic,
            internal=self.internal,
            topics={self.topic: ""} if self.internal else topics,
            schema=event.avro,
            key=self.key,
            past_ms=milliseconds(contract.event_time.past),
            future_ms=milliseconds(contract.event_time.future),
            in_a_row=contract.dead_letters.in_a_row,
            ratio=contract.dead_letters.ratio,
        )

    def rekey(self, source: int, moves_ms: int | None) -> RekeyPlan:
        """The copying of an internal input, by the lane in which its contract is input number `source`."""
        return RekeyPlan(
            name=self.name,
            topic=self.topic,
            contract=self.contract.topic,
            source=source,
            key=self.key,
            partitions=self.partitions,
            all=self.how == "broadcast",
            moves_ms=moves_ms,
            retention=self.contract.retention,
        )


def as_it_is(contract: TopicContract) -> Input:
    """The topics of a contract, under its own key."""
    return Input(contract, "as it is", contract.key, contract.partitions)


def inputs_of(feed: Feed, catalogue: Catalogue) -> Mapping[str, Input]:
    """The input of each alias of a feed whose sources fit its steps; Refusal for a lane without a name in Kafka."""
    contracts = {alias: catalogue.topics[topic] for alias, topic in feed.sources.items()}
    inputs = {alias: as_it_is(contract) for alias, contract in contracts.items()}
    for step in feed.steps:
        match step:
            case JoinStep(join=join):
                left, right = contracts[join.left], contracts[join.right]
                inputs = dict(
                    zip(
                        (join.left, join.right),
                        _joined(join, left, right, moves=feed.corrections == "follow"),
                        strict=True,
                    )
                )
            case ReconcileStep(reconcile=reconcile):
                contract = contracts[reconcile.of]
                if not set(contract.key) <= set(reconcile.key):
                    inputs = {reconcile.of: Input(contract, "rekeyed", reconcile.key, contract.partitions, moves=True)}
    name = lane_name(inputs)
    if len(name) > _LONGEST:
        raise Refusal(
            f"a lane whose name has {len(name)} characters",
            f"at most {_LONGEST}, so that Kafka takes the names of its topics",
            "use fewer fields, or fields with shorter names, as key",
        )
    return inputs


def lane_name(inputs: Mapping[str, Input]) -> str:
    """The name of the lane of all feeds with these inputs."""
    return "-".join(sorted(part.name for part in inputs.values()))


def joined_on(join: Join, left: TopicContract, right: TopicContract) -> tuple[str, ...]:
    """The fields `on`, in the order in which a contract that has just these as its key writes them."""
    keys = (contract.key for contract in (left, right) if set(contract.key) == set(join.on))
    return next(keys, join.on)


def _joined(join: Join, left: TopicContract, right: TopicContract, *, moves: bool) -> tuple[Input, Input]:
    if join.broadcast == "left":
        return Input(left, "broadcast", left.key, right.partitions), as_it_is(right)
    if join.broadcast == "right":
        return as_it_is(left), Input(right, "broadcast", right.key, left.partitions)
    on = joined_on(join, left, right)
    together = left.key == right.key and left.partitions == right.partitions
    if together and set(left.key) <= set(on):
        return as_it_is(left), as_it_is(right)
    if left.key == on:
        return as_it_is(left), Input(right, "rekeyed", on, left.partitions, moves)
    if right.key == on:
        return Input(left, "rekeyed", on, right.partitions, moves), as_it_is(right)
    return Input(left, "rekeyed", on, left.partitions, moves), Input(right, "rekeyed", on, left.partitions, moves)
