"""What the ledger must hold of what was delivered, computed the plain way: by recursion, from decoded records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gebus.model.catalogue import Catalogue
from gebus.model.event import ENVELOPE
from gebus.model.feed import Feed, SelectStep
from gebus.model.relation import Reconcile
from gebus.testing.oracle_inputs import relation_of


def entry(key: bytes | None, value: bytes, entity_id: str) -> bytes:
    """Tag and digest of a delivered record."""
    key = key or b""
    tag = hashlib.sha256(b"\2" + entity_id.encode()).digest()[:8]
    return tag + hashlib.sha256(b"\0" + len(key).to_bytes(4, "little") + key + value).digest()


def head(digests: Sequence[bytes]) -> bytes:
    """The Merkle tree head of RFC 6962, section 2.1, over leaf hashes."""
    if len(digests) < 2:
        return digests[0] if digests else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(digests):
        split *= 2
    return hashlib.sha256(b"\1" + head(digests[:split]) + head(digests[split:])).digest()


def values(records: Iterable[Mapping[str, Any]], levels: Mapping[str, int]) -> tuple[int, ...]:
    """How many values of each class they have: the envelope is of none, and null is no value."""
    found = [0, 0, 0, 0]
    for record in records:
        for name, value in record.items():
            if name not in ENVELOPE and value is not None:
                found[levels[name] - 1] += 1
    return tuple(found)


def levels(feed: Feed, catalogue: Catalogue) -> dict[str, int]:
    """The class of each selected field, which is that of the source's field whatever the policy makes of it."""
    select = next(step.select for step in feed.steps if isinstance(step, SelectStep))
    found = {}
    for name, choice in select.fields.items():
        alias, _, field = (choice if isinstance(choice, str) else choice.of).partition(".")
        found[name] = _level(feed, catalogue, alias, field)
    return found


def _level(feed: Feed, catalogue: Catalogue, alias: str, name: str) -> int:
    relation = relation_of(feed)
    if alias not in feed.sources and isinstance(relation, Reconcile):
        if alias == "conflict":
            return max(_level(feed, catalogue, relation.of, compared) for compared in relation.compare)
        alias = relation.of
    field = catalogue.events[feed.sources[alias]].field(name)
    if field is None:
        raise AssertionError("the catalogue refuses a field that is not there")
    return field.level
