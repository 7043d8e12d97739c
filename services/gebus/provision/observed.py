"""What a broker, a registry and a home hold now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gebus.kafka.admin import Acl, Admin, Topic
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.lanes.forms import STEPS_TOPIC, Notes
from gebus.model.event import AvroType
from gebus.provision.notebook import Notebook

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of the registry: its own compatibility level, and its versions, oldest first."""

    level: str | None
    versions: tuple[tuple[int, AvroType], ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there. `secrets` are the principals whose password this home holds."""

    topics: Mapping[str, Topic]
    subjects: Mapping[str, Subject]
    principals: frozenset[str]
    acls: frozenset[Acl]
    secrets: frozenset[str]
    notes: Notes = field(default_factory=Notes)
    """What earlier calls of apply noted of the feeds' steps and the lanes' states."""


def observe(
    admin: Admin, registry: Registry, secrets: Secrets, notebook: Notebook, subjects: Iterable[str]
) -> Observed:
    """Ask for everything that `subjects` and a comparison need; nothing is changed."""
    present = frozenset(registry.subjects())
    names = [name for name in subjects if name in present]
    # A subject takes three questions, of some milliseconds each: one after the other, five thousand feeds take minutes.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda name: _subject(registry, name), names))
    topics = admin.topics()
    return Observed(
        topics=topics,
        subjects=dict(zip(names, found, strict=True)),
        principals=admin.principals(),
        acls=admin.acls(),
        secrets=frozenset(secrets.principals()),
        notes=notebook.read() if STEPS_TOPIC in topics else Notes(),
    )


def _subject(registry: Registry, name: str) -> Subject:
    versions = (registry.version(name, number) for number in registry.versions(name))
    return Subject(
        registry.compatibility(name), tuple((version.version, json.loads(version.schema)) for version in versions)
    )
