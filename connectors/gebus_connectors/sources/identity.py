"""Ids that a second run gives again, and revisions that count what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from gebus.model.event import ENVELOPE
from gebus_connectors.sources.reading import Event


def digest(*parts: object) -> str:
    """128 bits of SHA-256 over the parts, in hex: the same for equal parts, on every machine."""
    written = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:32]


class Revisions:
    """Counts the revisions of each entity of one topic, as one party sees them.

    Promised: what an entity says again, with nothing else between, is the very event that it was before, id
    included, so the bus takes it for the repeat that it is. A value that goes away and comes back is a new revision.
    Not promised: anything about entities of other parties; each party counts its own.
    """

    def __init__(self, party: str, topic: str) -> None:
        self._party, self._topic = party, topic
        self._last: dict[str, Event] = {}

    def say(self, entity: str, at: int, region: str, content: Mapping[str, object]) -> Event:
        """The event that says `content` of `entity`: asserted at first, corrected later, or the last one again."""
        before = self._last.get(entity)
        if before is None:
            return self._keep(entity, at=at, region=region, content=content, revision=0, status="ASSERTED")
        gone = before.fields["status"] == "RETRACTED"
        if not gone and before.fields["region"] == region and _content(before) == content:
            return before
        status = "ASSERTED" if gone else "CORRECTED"
        return self._keep(entity, at=at, region=region, content=content, revision=_next(before), status=status)

    def retract(self, entity: str, at: int) -> Event | None:
        """The event that takes back what was said last; None where nothing stands."""
        before = self._last.get(entity)
        if before is None or before.fields["status"] == "RETRACTED":
            return None
        region, content = str(before.fields["region"]), _content(before)
        return self._keep(entity, at=at, region=region, content=content, revision=_next(before), status="RETRACTED")

    def knows(self, entity: str) -> bool:
        """Whether anything was said of the entity before."""
        return entity in self._last

    def _keep(
        self, entity: str, *, at: int, region: str, content: Mapping[str, object], revision: int, status: str
    ) -> Event:
        event = make_event(
            self._party,
            self._topic,
            entity,
            at=at,
            region=region,
            content=content,
            revision=revision,
            status=status,
        )
        self._last[entity] = event
        return event


def make_event(
    party: str,
    topic: str,
    entity: str,
    *,
    at: int,
    region: str,
    content: Mapping[str, object],
    revision: int = 0,
    status: str = "ASSERTED",
    identity: object = None,
) -> Event:
    """An event that occurred `at`; its id is a digest of party, topic, entity, revision, status, region and content.

    `identity` stands for the content in that digest where parts of it change without being said anew.
    """
    said = content if identity is None else identity
    envelope = {
        "event_id": digest(party, topic, entity, revision, status, region, said),
        "entity_id": entity,
        "revision": revision,
        "status": status,
        "occurred_at": at,
        "source": party,
        "region": region,
    }
    return Event(topic, {**envelope, **content})


def _content(event: Event) -> dict[str, object]:
    return {name: value for name, value in event.fields.items() if name not in ENVELOPE}


def _next(event: Event) -> int:
    revision = event.fields["revision"]
    if not isinstance(revision, int):
        raise TypeError("a revision is a whole number")
    return revision + 1
