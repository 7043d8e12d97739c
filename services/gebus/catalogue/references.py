"""Every reference of the catalogue leads somewhere, and everything in it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gebus.catalogue.documents import Document, KeyPath, nearest, nearest_of, shown
from gebus.catalogue.draft import Draft
from gebus.catalogue.tree import Kind
from gebus.model.errors import Finding

LISTS_OF_THE_BUS = frozenset(
    {
        "field-policy",
        "token-rules",
        "field-combinations",
        "divisions",
        "emergency-levels",
        "tariffs",
        "permitted-revenue",
    }
)
"""Code lists that the bus itself reads; no event needs to name them."""

_REFERRERS: Mapping[Kind, tuple[Kind, ...]] = {
    "party": ("topic", "feed", "processor"),
    "event": ("topic",),
    "codes": ("event",),
    "example": ("topic",),
}
_DIRECTORY: Mapping[Kind, str] = {
    "party": "parties",
    "event": "events",
    "topic": "topics",
    "feed": "feeds",
    "codes": "codes",
    "example": "examples",
}
_USERS: Mapping[Kind, str] = {
    "party": "an owner, publisher, consumer or approver",
    "event": "the event of a topic contract",
    "codes": "the codes of a field",
    "example": "in the examples of its topic contract",
}


@dataclass(frozen=True, slots=True)
class _Mention:
    """A place that names another file."""

    document: Document
    path: KeyPath
    kind: Kind
    name: str


def check_references(draft: Draft) -> Iterator[Finding]:
    """References that lead nowhere, then files that nothing refers to.

    Works on what is written, valid or not, so that one error in a contract neither hides its references nor makes
    what it uses look unused.
    """
    mentions = list(_mentions(draft))
    used = {(mention.kind, mention.name) for mention in mentions}
    for mention in mentions:
        known = _known(draft, mention.kind)
        if mention.name not in known:
            base = mention.name.rpartition("/")[0]
            found = f"{shown(mention.path[-1])} names {mention.name}" if isinstance(mention.path[-1], str) else ""
            found = f"{found or f'{mention.path[0]} names {mention.name}'}, which is not in {_DIRECTORY[mention.kind]}/"
            candidates = [name for name in known if not base or name.startswith(base)] or list(known)
            used.add((mention.kind, nearest_of(mention.name, candidates)))  # what was meant is not unused
            allowed = f"a file below {_DIRECTORY[mention.kind]}/"
            yield mention.document.finding(mention.path, "reference", found, allowed, nearest(mention.name, candidates))
    yield from _unused(draft, used)


def _known(draft: Draft, kind: Kind) -> Mapping[str, Any]:
    return draft.examples if kind == "example" else draft.part(kind).places


def _unused(draft: Draft, mentioned: set[tuple[Kind, str]]) -> Iterator[Finding]:
    for kind, referrers in _REFERRERS.items():
        if not all(draft.part(referrer).all_read for referrer in referrers):
            continue
        for name, place in _known(draft, kind).items():
            if (kind, name) not in mentioned and not (kind == "codes" and name in LISTS_OF_THE_BUS):
                yield Finding(place.file, 1, "unused", "nothing uses this file", _USERS[kind], "use it, or remove it")


def _mentions(draft: Draft) -> Iterator[_Mention]:
    for name, document in draft.topics.documents.items():
        domain = name.partition(".")[0]
        yield from _texts(document, ("owner",), "party")
        yield from _texts(document, ("sharing", "authority"), "party")
        yield from _texts(document, ("publishers",), "party")
        yield from _texts(document, ("event",), "event", f"{domain}/")
        yield from _texts(document, ("examples",), "example", f"{name}/")
    for document in draft.feeds.documents.values():
        yield from _texts(document, ("consumer",), "party")
        yield from _texts(document, ("grant", "approved_by"), "party")
        yield from _texts(document, ("sources",), "topic")
    for document in draft.processors.documents.values():
        yield from _texts(document, ("party",), "party")
        yield from _texts(document, ("publishes",), "topic")
        if isinstance(document.value, dict) and isinstance(document.value.get("party"), str):
            yield from _texts(document, ("reads",), "feed", f"{document.value['party']}/")
    for document in draft.events.documents.values():
        for path, name in _codes_in(document.value, ()):
            yield _Mention(document, path, "codes", name)


def _texts(document: Document, path: KeyPath, kind: Kind, prefix: str = "") -> Iterator[_Mention]:
    """The text at `path`, or each text of the list or mapping there."""
    value = document.value
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else [(None, value)]
    )
    for key, item in items:
        if isinstance(item, str):
            name = prefix + (item.removesuffix(".jsonl") if kind == "example" else item)
            yield _Mention(document, path if key is None else (*path, key), kind, name)


def _codes_in(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The lists that the fields of a schema name. The reader of the file has bounded its depth."""
    if isinstance(value, dict):
        if isinstance(value.get("codes"), str) and "name" in value:
            yield (*path, "codes"), value["codes"]
        for key in ("fields", "type", "items", "values"):
            if isinstance(value.get(key), dict | list):
                yield from _codes_in(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _codes_in(item, (*path, index))
