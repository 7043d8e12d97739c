"""The difference between what a catalogue asks for and what is there; refused as a whole where it cannot be bridged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gebus.catalogue import Places
from gebus.catalogue.compatibility import Break, breaks
from gebus.kafka.admin import Acl, Topic
from gebus.lanes.settings import PRINCIPAL, STATE_PREFIX
from gebus.model.errors import ContractError, Finding
from gebus.model.processor import PROCESSOR_PREFIX
from gebus.plan import REKEY_PREFIX
from gebus.provision import forgetting
from gebus.provision.desired import DEAD_PREFIX, FEED_PREFIX, Desired, Place, Schema
from gebus.provision.observed import Observed

_RESERVED_PRINCIPAL = "gebus-"
_OURS = (FEED_PREFIX, DEAD_PREFIX, STATE_PREFIX, REKEY_PREFIX, PROCESSOR_PREFIX)


class Change(Protocol):
    """One thing that apply does: `action` and `name` for machines, `detail` in words, `mark` in one character."""

    @property
    def mark(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def detail(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CreateTopic:
    topic: Topic
    mark, action = "+", "create topic"

    @property
    def name(self) -> str:
        return self.topic.name

    @property
    def detail(self) -> str:
        return f"partitions {self.topic.partitions}, {_settings(self.topic.config)}"


@dataclass(frozen=True, slots=True)
class SetTopicConfig:
    name: str
    before: Mapping[str, str | None]
    after: Mapping[str, str]
    mark, action = "~", "alter topic"

    @property
    def detail(self) -> str:
        return ", ".join(
            f"{key} {self.before[key] or 'the default of the broker'} -> {value}" for key, value in self.after.items()
        )


@dataclass(frozen=True, slots=True)
class SetLevel:
    name: str
    before: str | None
    level: str
    mark, action = "~", "set compatibility"

    @property
    def detail(self) -> str:
        return f"{self.before or 'none'} -> {self.level}"


@dataclass(frozen=True, slots=True)
class RegisterSchema:
    schema: Schema
    after: int
    """The newest version so far, or 0."""
    mark, action = "+", "register schema"

    @property
    def name(self) -> str:
        return self.schema.subject

    @property
    def detail(self) -> str:
        return "the first version" if self.after == 0 else f"the version after {self.after}"


@dataclass(frozen=True, slots=True)
class SetPassword:
    name: str
    exists: bool
    has_secret: bool

    @property
    def mark(self) -> str:
        return "~" if self.exists else "+"

    @property
    def action(self) -> str:
        return "renew password" if self.exists else "create principal"

    @property
    def detail(self) -> str:
        if self.exists:
            return "its secret is not in this home; the password it had is no longer valid"
        return "with the secret of this home" if self.has_secret else "its secret is written into this home"


@dataclass(frozen=True, slots=True)
class Grant:
    acl: Acl
    mark, action = "+", "grant"

    @property
    def name(self) -> str:
        return self.acl.principal

    @property
    def detail(self) -> str:
        return _right(self.acl)


@dataclass(frozen=True, slots=True)
class Revoke:
    acl: Acl
    mark, action = "-", "revoke"

    @property
    def name(self) -> str:
        return self.acl.principal

    @property
    def detail(self) -> str:
        return _right(self.acl)


@dataclass(frozen=True, slots=True)
class RemovePrincipal:
    name: str
    mark, action = "-", "remove principal"
    detail = "and its secret"


@dataclass(frozen=True, slots=True)
class DeleteTopic:
    name: str
    mark, action = "-", "delete topic"
    detail = "with all its records"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done, in this order. `removals` are done only by who asks for it."""

    additions: tuple[Change, ...]
    removals: tuple[Change, ...]


def compare(desired: Desired, observed: Observed, root: Path, *, now_ms: int, forget: Collection[str] = ()) -> Changes:
    """The changes from `observed` to `desired`.

    Promised: ContractError, and so no change at all, where a schema breaks an earlier version, the partitions of a
    topic would change, or a step would forget what it remembers and is not among `forget` as `<feed>.<step>`; each
    finding names the place in the catalogue at `root`. Removals touch only what gebus could have made. Schemas are
    never removed: records of theirs may lie in a log.
    """
    places = Places(root)
    findings = [
        *_partition_findings(desired, observed, places),
        *_schema_findings(desired, observed, places),
        *forgetting.findings(desired, observed, places, now_ms, forget),
    ]
    if findings:
        raise ContractError(findings)
    additions = (*_topics(desired, observed), *_schemas(desired, observed), *_principals(desired, observed))
    rights = tuple(Grant(acl) for acl in sorted(desired.acls - observed.acls))
    notes = forgetting.notes(desired, observed, now_ms)
    return Changes((*additions, *rights, *notes), tuple(_removals(desired, observed)))


def _partition_findings(desired: Desired, observed: Observed, places: Places) -> Iterator[Finding]:
    for name, topic in desired.topics.items():
        there = observed.topics.get(name)
        if there is not None and there.partitions != topic.partitions:
            yield _finding(
                places,
                desired.places[name],
                "partitions",
                f"topic {name} has {there.partitions} partitions, {topic.partitions} are asked for",
                f"{there.partitions}: with another count keys would move, and order and deduplication would break",
                "make a new topic contract or feed, and move its readers to it",
            )


def _schema_findings(desired: Desired, observed: Observed, places: Places) -> Iterator[Finding]:
    for schema in desired.schemas:
        subject = observed.subjects.get(schema.subject)
        if subject is not None and all(avro != schema.avro for _, avro in subject.versions):
            for wrong in breaks(schema.level, schema.avro, subject.versions):
                feeds = f"used by the feeds {', '.join(schema.feeds)}" if schema.feeds else "used by no feed"
                yield _finding(
                    places,
                    _field_place(schema, wrong),
                    "compatibility",
                    f"{schema.subject}: {wrong}",
                    f"what {schema.level} allows",
                    f"{feeds}; give the field a default or its old type back, or publish under a new contract",
                )


def _field_place(schema: Schema, wrong: Break) -> Place:
    """The line of the field in an event's schema; of the whole select in a feed, whose schema is computed."""
    file, path = schema.place
    top = wrong.path.split(".")[0].split("[")[0].split("{")[0]
    names = [field["name"] for field in schema.avro["fields"]]
    return (file, (*path, names.index(top))) if path == ("fields",) and top in names else (file, (*path, top))


def _finding(places: Places, place: Place, rule: str, found: str, allowed: str, next_step: str) -> Finding:  # noqa: PLR0917 - the parts of a finding, in its order
    return Finding(place[0], places.line(*place), rule, found, allowed, next_step)


def _topics(desired: Desired, observed: Observed) -> Iterator[Change]:
    for name, topic in sorted(desired.topics.items()):
        there = observed.topics.get(name)
        if there is None:
            yield CreateTopic(topic)
            continue
        after = {key: value for key, value in topic.config.items() if there.config.get(key) != value}
        if after:
            yield SetTopicConfig(name, {key: there.config.get(key) for key in after}, after)


def _schemas(desired: Desired, observed: Observed) -> Iterator[Change]:
    for schema in sorted(desired.schemas, key=lambda schema: schema.subject):
        subject = observed.subjects.get(schema.subject)
        if subject is None:
            yield RegisterSchema(schema, 0)
            yield SetLevel(schema.subject, None, schema.level)
            continue
        # The level first: the registry checks the new version by the level that it has then.
        if subject.level != schema.level:
            yield SetLevel(schema.subject, subject.level, schema.level)
        if all(avro != schema.avro for _, avro in subject.versions):
            yield RegisterSchema(schema, subject.versions[-1][0])


def _principals(desired: Desired, observed: Observed) -> Iterator[Change]:
    for name in sorted(desired.principals):
        exists, has_secret = name in observed.principals, name in observed.secrets
        if not (exists and has_secret):
            yield SetPassword(name, exists, has_secret)


def _removals(desired: Desired, observed: Observed) -> Iterator[Change]:
    ours = desired.principals | {name for name in observed.secrets if not name.startswith(_RESERVED_PRINCIPAL)}
    yield from (Revoke(acl) for acl in sorted(observed.acls - desired.acls) if acl.principal in ours)
    gone = (ours & observed.principals) - desired.principals - {PRINCIPAL}
    yield from (RemovePrincipal(name) for name in sorted(gone))
    for name in sorted(set(observed.topics) - set(desired.topics)):
        if name.startswith(_OURS) or _was_published_to(name, observed):
            yield DeleteTopic(name)


def _was_published_to(name: str, observed: Observed) -> bool:
    """Whether a topic's name and the right to write it are those that a topic contract gives."""
    party = name.rpartition(".")[2]
    return name.count(".") == 2 and Acl(party, "topic", "literal", name, "write") in observed.acls


def _settings(config: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(config.items()))


def _right(acl: Acl) -> str:
    pattern = "*" if acl.pattern == "prefixed" else ""
    return f"{acl.operation.replace('_', ' ')} {acl.resource.replace('_', ' ')} {acl.name}{pattern}"
