"""The broker's rights, brought to what is granted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gebus.kafka.admin import Acl, Admin
from gebus.model.control import Known
from gebus.model.feed import Feed


@dataclass(frozen=True, slots=True)
class Aligned:
    """The rights that were given and taken."""

    given: frozenset[Acl]
    taken: frozenset[Acl]


def reading(feed: Feed) -> frozenset[Acl]:
    """The rights to a feed's topic that its consumer has while a grant is active."""
    return frozenset(Acl(feed.consumer, "topic", "literal", feed.kafka_topic, right) for right in ("read", "describe"))


def align(admin: Admin, feeds: Iterable[Feed], known: Known, now: int) -> Aligned:
    """Let the consumers with an active grant read these feeds, and nobody else.

    Promised: when it returns, a consumer without a grant gets nothing more from the broker, also one that runs: the
    broker asks for the right at each fetch. Not promised: that a client forgets what it has fetched before.
    """
    there = admin.acls()
    wanted: set[Acl] = set()
    ours: set[tuple[str, str]] = set()
    for feed in feeds:
        ours.add((feed.kafka_topic, "topic"))
        grants = known.grants.get(feed.id)
        if grants is not None and grants.active(now) is not None:
            wanted |= reading(feed)
    held = {acl for acl in there if (acl.name, acl.resource) in ours and acl.operation in ("read", "describe")}
    # The workers' rights are given by prefix; whoever else reads a feed literally has no grant.
    given, taken = frozenset(wanted - held), frozenset(held - wanted)
    admin.create_acls(given)
    admin.delete_acls(taken)
    return Aligned(given, taken)
