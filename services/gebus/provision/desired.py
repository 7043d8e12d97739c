"""What a catalogue asks of a broker and a registry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gebus.catalogue.compatibility import Level
from gebus.kafka.admin import Acl, Operation, Topic
from gebus.lanes.forms import CORRECTIONS, STEPS_TOPIC, Form, forms
from gebus.lanes.settings import GROUP, PRINCIPAL, STATE_PREFIX, state_topic
from gebus.model.base import milliseconds
from gebus.model.catalogue import Catalogue
from gebus.model.event import AvroType
from gebus.model.feed import Feed, kind_and_name
from gebus.model.leaf import CHECKPOINT_TOPIC, LEAF_TOPIC, LEDGER_PRINCIPAL, USAGE_PRINCIPAL
from gebus.plan import REKEY_PREFIX, LanePlan
from gebus.provision.control import control_rights, control_topics

FEED_PREFIX, DEAD_PREFIX = "feed.", "dead."
_READ: tuple[Operation, ...] = ("read", "describe")
_WRITE: tuple[Operation, ...] = ("write", "describe")
_DAY = timedelta(days=1)
_QUIET = timedelta(days=35)
"""How long a slice may be quiet before its account begins again from nothing."""

Place = tuple[str, tuple[str | int, ...]]
"""A file of the catalogue and the key path in it that asked for something."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a subject of the registry is to hold, under which compatibility, and which feeds depend on it."""

    subject: str
    avro: AvroType
    level: Level
    place: Place
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that `gebus apply` brings about. `places` says which line asked for each topic's partitions, and
    `step_places` where a feed says what it remembers."""

    topics: Mapping[str, Topic]
    schemas: tuple[Schema, ...]
    principals: frozenset[str]
    acls: frozenset[Acl]
    places: Mapping[str, Place]
    forms: Mapping[str, tuple[Form, ...]]
    step_places: Mapping[tuple[str, str], Place]


def desired(catalogue: Catalogue, lanes: Sequence[LanePlan], granted: Collection[str] | None = None) -> Desired:
    """What `catalogue` asks for, its feeds planned as `lanes`; `granted` are those with a live grant, None: all.

    Promised: each publisher may write its own topics alone, each consumer read its own granted feeds alone, each owner
    read the dead letters of its contracts, each processor's party its state; workers read sources and write the rest,
    ledger and usage read what workers write for them, and nobody else has any right.
    """
    topics: dict[str, Topic] = {}
    places: dict[str, Place] = {}
    for topic, place in (
        *_contract_topics(catalogue),
        *_lane_topics(catalogue, lanes),
        *_processor_topics(catalogue),
        (Topic(STEPS_TOPIC, 1, _COMPACTED), ("", ())),
        *_ledger_topics(),
        *((topic, (".", ())) for topic in control_topics()),
    ):
        topics[topic.name] = topic
        places[topic.name] = place
    return Desired(
        topics=topics,
        schemas=(*_event_schemas(catalogue), *_feed_schemas(catalogue, lanes)),
        principals=frozenset(catalogue.parties) | {PRINCIPAL, LEDGER_PRINCIPAL, USAGE_PRINCIPAL},
        acls=frozenset(
            (*_party_rights(catalogue, granted), *_worker_rights(catalogue), *_leaf_rights(), *control_rights())
        ),
        places=places,
        forms=forms(lanes),
        step_places=dict(_step_places(catalogue)),
    )


_COMPACTED = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
_SOURCE_SIZE = {"max.message.bytes": str((1 << 20) + (1 << 16))}
"""Below the broker's 10 MiB: a source record that cannot be taken must still fit with the headers of a dead letter."""


def feed_file(feed: str) -> str:
    """The file of a feed, from its id `<consumer>/<feed>`."""
    return f"feeds/{feed}.yaml"


def _contract_topics(catalogue: Catalogue) -> Iterator[tuple[Topic, Place]]:
    for contract in catalogue.topics.values():
        place: Place = (f"topics/{contract.topic}.yaml", ("partitions",))
        config = _config(contract.retention)
        for party in contract.publishers:
            yield Topic(contract.kafka_topic(party), contract.partitions, {**config, **_SOURCE_SIZE}), place
        yield Topic(contract.dead_letter_topic, 1, config), place


def _lane_topics(catalogue: Catalogue, lanes: Sequence[LanePlan]) -> Iterator[tuple[Topic, Place]]:
    for lane in lanes:
        # An entry counts for its window and at most an eighth of it more, by the time of the log; while a lane stands
        # still its time does too, for as long as its sources keep what it has not read. A day is for the trimming.
        standing = max(catalogue.topics[part.contract].retention for part in lane.inputs)
        retention = max(timedelta(milliseconds=lane.remembers_ms) * 9 / 8 + standing + _DAY, _QUIET)
        yield Topic(state_topic(lane.name), lane.partitions, _config(retention)), _partitions(lane)
        for rekey in lane.rekeys:
            place: Place = (f"topics/{rekey.contract}.yaml", ("partitions",))
            yield Topic(rekey.topic, rekey.partitions, _config(rekey.retention)), place
        for feed in lane.feeds:
            yield Topic(feed.topic, feed.partitions, _config(feed.retention)), (feed_file(feed.name), ("partitions",))


def _step_places(catalogue: Catalogue) -> Iterator[tuple[tuple[str, str], Place]]:
    for feed in catalogue.feeds.values():
        yield (feed.id, CORRECTIONS), (feed_file(feed.id), ("corrections",))
        for number, step in enumerate(feed.steps):
            kind, name = kind_and_name(step)
            yield (feed.id, name), (feed_file(feed.id), ("steps", number, kind))


def _partitions(lane: LanePlan) -> Place:
    """What decided how many slices a lane has: the first of its contracts that it reads as it is, else the first."""
    decisive = next((one for one in lane.inputs if not one.internal), lane.inputs[0])
    return f"topics/{decisive.contract}.yaml", ("partitions",)


def _processor_topics(catalogue: Catalogue) -> Iterator[tuple[Topic, Place]]:
    """State lies in as many partitions as the feed: a record's state is in the record's partition."""
    for processor in catalogue.processors.values():
        feed = catalogue.feeds[processor.feed]
        yield Topic(processor.state_topic, feed.partitions, _COMPACTED), (feed_file(feed.id), ("partitions",))


def _ledger_topics() -> Iterator[tuple[Topic, Place]]:
    """A ledger forgets nothing. No line of a catalogue asks for it: the place is the catalogue as a whole."""
    config = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
    yield Topic(LEAF_TOPIC, 1, config), (".", ())
    newest = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
    yield Topic(CHECKPOINT_TOPIC, 1, newest), (".", ())


def _config(retention: timedelta) -> Mapping[str, str]:
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",  # state and grants go by the log's clock, never by a publisher's
        "retention.ms": str(milliseconds(retention)),
    }


def _event_schemas(catalogue: Catalogue) -> Iterator[Schema]:
    for topic, contract in catalogue.topics.items():
        feeds = tuple(name for name, feed in catalogue.feeds.items() if topic in feed.sources.values())
        place: Place = (f"events/{contract.domain}/{contract.event}.avsc", ("fields",))
        yield Schema(contract.subject, catalogue.events[topic].avro, contract.compatibility, place, feeds)


def _feed_schemas(catalogue: Catalogue, lanes: Sequence[LanePlan]) -> Iterator[Schema]:
    """A feed promises its consumer what the contract of its first source promises the bus."""
    for lane in lanes:
        for feed in lane.feeds:
            written = catalogue.feeds[feed.name]
            level = catalogue.topics[next(iter(written.sources.values()))].compatibility
            select: Place = feed_file(feed.name), ("steps", len(written.steps) - 1, "select", "fields")
            yield Schema(f"{feed.topic}-value", feed.output_schema, level, select, (feed.name,))


def _party_rights(catalogue: Catalogue, granted: Collection[str] | None) -> Iterator[Acl]:
    for contract in catalogue.topics.values():
        for party in contract.publishers:
            yield from (Acl(party, "topic", "literal", contract.kafka_topic(party), right) for right in _WRITE)
        yield from _reader(contract.owner, contract.dead_letter_topic)
    for feed in catalogue.feeds.values():
        if granted is None or feed.id in granted:
            yield from feed_rights(feed)
    for processor in catalogue.processors.values():
        yield from (
            Acl(processor.party, "topic", "literal", processor.state_topic, right) for right in (*_READ, "write")
        )


def feed_rights(feed: Feed) -> Iterator[Acl]:
    """What a live grant gives its consumer."""
    yield from _reader(feed.consumer, feed.kafka_topic)


def _reader(party: str, topic: str) -> Iterator[Acl]:
    yield from (Acl(party, "topic", "literal", topic, right) for right in _READ)
    yield Acl(party, "group", "prefixed", f"{party}.", "read")


def _leaf_rights() -> Iterator[Acl]:
    yield from (Acl(PRINCIPAL, "topic", "literal", LEAF_TOPIC, right) for right in _WRITE)
    for principal in (LEDGER_PRINCIPAL, USAGE_PRINCIPAL):
        yield from (Acl(principal, "topic", "literal", LEAF_TOPIC, right) for right in _READ)
    yield from (Acl(LEDGER_PRINCIPAL, "topic", "literal", CHECKPOINT_TOPIC, right) for right in (*_READ, "write"))
    yield from (Acl(PRINCIPAL, "topic", "literal", CHECKPOINT_TOPIC, right) for right in _READ)


def _worker_rights(catalogue: Catalogue) -> Iterator[Acl]:
    for contract in catalogue.topics.values():
        for party in contract.publishers:
            yield from (Acl(PRINCIPAL, "topic", "literal", contract.kafka_topic(party), right) for right in _READ)
    for prefix in (STATE_PREFIX, REKEY_PREFIX):
        yield from (Acl(PRINCIPAL, "topic", "prefixed", prefix, right) for right in (*_READ, "write"))
    yield from (Acl(PRINCIPAL, "topic", "literal", STEPS_TOPIC, right) for right in _READ)
    for prefix in (FEED_PREFIX, DEAD_PREFIX):
        yield from (Acl(PRINCIPAL, "topic", "prefixed", prefix, right) for right in _WRITE)
    yield Acl(PRINCIPAL, "group", "literal", GROUP, "read")
    yield from (Acl(PRINCIPAL, "transactional_id", "prefixed", f"{GROUP}.", right) for right in _WRITE)
