"""What time alone makes due: deadlines that pass, periods that begin and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gebus.control.log import ControlLog, Written
from gebus.control.rights import align
from gebus.kafka.admin import Admin
from gebus.model.catalogue import Catalogue
from gebus.model.control import Known
from gebus.model.grant import act_of
from gebus.model.person import THE_BUS
from gebus.model.working_days import shown


def due(known: Known, now: int) -> Iterator[Written]:
    """The escalations that are due, one write a feed."""
    for feed, held in known.grants.items():
        for grant in held.grants:
            overdue = grant.overdue(now)
            if not overdue:
                continue
            newer, gone = grant, []
            for one in overdue:
                until = newer.due(one).at_ms
                newer = newer.done(act_of(THE_BUS, "escalate", f"grant {grant.id}", now, one.party))
                gone.append(f"{one.party} was to answer before {shown(until)}; {one.authority or 'nobody'} may instead")
            yield Written(feed, held.with_newer(newer), {"grant": grant.id, "said": "; ".join(gone)})
            break


def keep(log: ControlLog, admin: Admin, catalogue: Catalogue, now: Callable[[], int]) -> list[str]:
    """Do what is due; returns it in words.

    Promised: done twice it does nothing twice; a right outlives its grant by no more than the time between two calls,
    and the lanes do not wait for it: they know the end of a grant themselves.
    """
    said: list[str] = []
    known = log.read()
    if any(due(known, max(now(), known.newest_ms))):
        outcome = log.change(lambda newest, at: list(due(newest, at)), {"verb": "escalate", "by": THE_BUS.id})
        known = outcome.known
        said += [f"escalated: {feed}" for feed in outcome.offsets if feed]
    at_ms = max(now(), known.newest_ms)
    aligned = align(admin, catalogue.feeds.values(), known, at_ms)
    for verb, acls in (("may read", aligned.given), ("may no longer read", aligned.taken)):
        lines = sorted({f"{acl.principal} {verb} {acl.name}" for acl in acls})
        said += lines
        words = [Written(line.split()[-1], None, {"said": line}) for line in lines]
        if words:
            log.change(lambda newest, at, words=words: words, {"verb": "align", "by": THE_BUS.id})  # type: ignore[misc]  # noqa: ARG005
    return said
