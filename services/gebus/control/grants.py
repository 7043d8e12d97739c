"""The acts on grants, each decided on what is known and written with its audit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gebus.control.cut import Mark, mark
from gebus.control.log import ControlLog, Outcome, Written
from gebus.control.rights import Aligned, align
from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.lanes.ports import Clock
from gebus.model.catalogue import Catalogue
from gebus.model.control import GRANTS_TOPIC, Known, next_number
from gebus.model.errors import ActRefused, NotFound
from gebus.model.feed import Feed
from gebus.model.grant import FeedGrants, Grant, State, Terms, Verb, act_of, asked, begun
from gebus.model.person import THE_BUS, Person
from gebus.model.sharing import deciders

_ABOUT: Mapping[Verb, tuple[State, ...]] = {
    "approve": ("requested", "disputed"),
    "refuse": ("requested", "disputed"),
    "revoke": ("active", "approved"),
    "dispute": ("refused",),
}
"""Which grant of a feed an act is about: the newest in one of these states; a revocation is about all of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for beyond what the feed's file says."""

    basis: str
    begins: int
    expires: int


@dataclass(frozen=True, slots=True)
class Done:
    """What an act came to."""

    grant: Grant
    version: int
    at_ms: int
    rights: Aligned
    mark: Mark | None = None


def terms(catalogue: Catalogue, feed: Feed, what: Asked) -> Terms:
    """The terms of a grant of a feed as its file stands; ActRefused where a contract is not shared at all."""
    fields, sources = asked(feed)
    for name in sources:
        if catalogue.topics[name].sharing.kind == "none":
            allowed = "a contract whose sharing is unconditional or conditional"
            raise ActRefused("not-shared", f"feed {feed.id}", f"{name} is not shared", allowed, "ask its owner")
    sharings = {name: (catalogue.topics[name].owner, catalogue.topics[name].sharing) for name in sources}
    return Terms(
        consumer=feed.consumer,
        feed=feed.feed,
        purpose=feed.purpose,
        tier=feed.tier,
        basis=what.basis,
        fields=fields,
        sources=sources,
        begins=what.begins,
        expires=what.expires,
        deciders=deciders(feed.consumer, sharings),
    )


class Grants:
    """Acts on grants. Rights follow each act; a revocation is waited for."""

    def __init__(self, connection: Connection, admin: Admin, catalogue: Catalogue, clock: Clock) -> None:
        self._connection, self._admin, self._catalogue, self._clock = connection, admin, catalogue, clock
        self.log = ControlLog(connection, clock)

    def request(self, person: Person, feed: Feed, what: Asked, version: int | None = None) -> Done:
        """Ask for a grant of a feed as its file stands now."""

        def decide(known: Known, now: int) -> list[Written]:
            _unchanged(known, feed.id, version)
            act = act_of(person, "request", f"a grant of {feed.id}", now)
            begins = max(what.begins, now)
            asked_for = terms(self._catalogue, feed, Asked(what.basis, begins, what.expires))
            grant = begun(next_number(known.grants, feed.id), asked_for, act)
            held = known.grants.get(feed.id)
            grants = held.with_more(grant, now) if held else FeedGrants(version=1, grants=(grant,))
            return [Written(feed.id, grants, {"grant": grant.id})]

        return self._done(feed, self.log.change(decide, _tried(person, "request", feed.id)))

    def act(self, person: Person, verb: Verb, feed: Feed, reason: str = "", version: int | None = None) -> Done:
        """Approve, refuse, dispute or revoke; what is revoked no longer flows when this returns, see `Mark`.

        A revocation is of the grant under which the feed flows, and of those that would follow it, as far as the
        person may revoke these.
        """
        chosen: list[int] = []

        def decide(known: Known, now: int) -> list[Written]:
            _unchanged(known, feed.id, version)
            held = known.grants.get(feed.id)
            if held is None:
                broken = known.broken.get(f"{GRANTS_TOPIC} {feed.id}", "nobody asked for one")
                raise ActRefused("no-grant", f"feed {feed.id}", f"there is no grant: {broken}", "one that is there",
                                 f"`gebus grant request {feed.id}` asks for one")  # fmt: skip
            changed = _acted(held, person, verb, now, reason)
            chosen[:] = [changed[0].number]
            said = {"grant": ", ".join(one.id for one in changed), "state": changed[0].state(now)}
            return [Written(feed.id, held.with_newer(*changed), said)]

        outcome = self.log.change(decide, {**_tried(person, verb, feed.id), "reason": reason})
        done = self._done(feed, outcome, chosen[0])
        if verb != "revoke":
            return done
        place = GRANTS_TOPIC, outcome.offsets[feed.id]
        found = mark(self._connection, self._admin, feed.kafka_topic, place, clock=self._clock)
        note = {"verb": "mark", "grant": done.grant.id, "ends": found.ends, "silent": found.silent}
        self.log.change(lambda known, now: [Written(feed.id, None, note)], _tried(THE_BUS, "mark", feed.id))  # noqa: ARG005
        return Done(done.grant, done.version, done.at_ms, done.rights, found)

    def _done(self, feed: Feed, outcome: Outcome, number: int = 0) -> Done:
        grants = outcome.known.grants[feed.id]
        grant = next((one for one in grants.grants if one.number == number), grants.newest)
        return Done(grant, grants.version, outcome.at_ms, align(self._admin, [feed], outcome.known, outcome.at_ms))


def feed_of(catalogue: Catalogue, name: str) -> Feed:
    """A feed by its id, or by its name where that is one feed's alone."""
    found = [feed for feed in catalogue.feeds.values() if name in (feed.id, feed.feed)]
    if len(found) != 1:
        many = f"{', '.join(feed.id for feed in found)} are meant" if found else "the catalogue has no such feed"
        raise NotFound(f"{name}: {many}; name it as CONSUMER/FEED")
    return found[0]


def _acted(held: FeedGrants, person: Person, verb: Verb, now: int, reason: str) -> list[Grant]:
    """The grants that a person's act changes, the one that it is about first."""
    about = [one for state in _ABOUT[verb] for one in reversed(held.grants) if one.state(now) == state]
    first, *others = about if verb == "revoke" and about else [_newest(held, about)]
    changed = [first.done(act_of(person, verb, f"grant {first.id}", now, reason))]
    for one in others:
        with suppress(ActRefused):
            changed.append(one.done(act_of(person, verb, f"grant {one.id}", now, reason)))
    return changed


def _newest(held: FeedGrants, about: list[Grant]) -> Grant:
    return max(about, key=lambda one: one.number, default=held.newest)


def _tried(person: Person, verb: str, feed: str) -> dict[str, Any]:
    return {"verb": verb, "by": person.id, "about": feed}


def _unchanged(known: Known, feed: str, version: int | None) -> None:
    """ActRefused where somebody has changed since what the person saw."""
    there = known.grants[feed].version if feed in known.grants else 0
    if version is not None and there != version:
        raise ActRefused("conflict", f"feed {feed}", f"its grants are at version {there}", f"version {version}",
                         f"`gebus grant show {feed}` shows what changed; decide again")  # fmt: skip
