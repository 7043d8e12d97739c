"""Grants that were decided on paper: what a feed's file names as approved, recorded once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time

from gebus.control.grants import Asked, terms
from gebus.control.log import Written
from gebus.model.catalogue import Catalogue
from gebus.model.control import GRANTS_TOPIC, Known, next_number
from gebus.model.feed import Feed
from gebus.model.grant import FeedGrants, Grant, act_of, begun
from gebus.model.person import THE_BUS


def recordings(catalogue: Catalogue, known: Known, now: int) -> Iterator[Written]:
    """What is to be recorded of the grants that feeds' files name.

    Promised: a grant that anybody requested, refused or revoked here is never replaced by what a file says; one that
    was only recorded follows its file, under a new number. Not promised: that the approval on paper is genuine; who
    approves changes of the catalogue answers for that.
    """
    for feed in catalogue.feeds.values():
        if feed.grant is None or f"{GRANTS_TOPIC} {feed.id}" in known.broken:
            continue
        held = known.grants.get(feed.id)
        if held is None or _only_recorded(held.newest):
            grant = _recorded(catalogue, feed, known, now)
            if held is None:
                yield Written(feed.id, FeedGrants(version=1, grants=(grant,)), {"grant": grant.id})
            elif (grant.terms, grant.recorded_from) != (held.newest.terms, held.newest.recorded_from):
                grants = FeedGrants(version=held.version + 1, grants=(*held.grants[:-1], grant))
                yield Written(feed.id, grants, {"grant": grant.id, "instead": held.newest.id})


def _only_recorded(grant: Grant) -> bool:
    return [act.verb for act in grant.acts] == ["record"]


def _recorded(catalogue: Catalogue, feed: Feed, known: Known, now: int) -> Grant:
    paper = feed.grant
    assert paper is not None  # noqa: S101 - the caller has looked
    what = Asked(paper.basis, _midnight(paper.approved_on), _midnight(paper.expires_on))
    act = act_of(THE_BUS, "record", f"grant of {feed.id}", now)
    return begun(next_number(known.grants, feed.id), terms(catalogue, feed, what), act, paper.approved_by)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1000
