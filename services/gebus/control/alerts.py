"""What looks wrong with grants, from what can be observed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from gebus.control.groups import reading, settled
from gebus.control.log import ControlLog
from gebus.kafka.admin import Admin
from gebus.model.catalogue import Catalogue
from gebus.model.working_days import shown

_DAY_MS = 86_400_000
SILENT_MS = _DAY_MS
"""So long after a grant became active its consumer may take to settle a first record."""
_RECENT_MS = 7 * _DAY_MS


@dataclass(frozen=True, slots=True)
class Alert:
    """`kind` is one of silent, trying, overdue, broken."""

    kind: str
    about: str
    said: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def alerts(log: ControlLog, admin: Admin, catalogue: Catalogue, now: int) -> Iterator[Alert]:
    """silent: a feed with a grant for a day, with records, of which no group of its consumer has settled any. trying: a
    refused act of the last week, or a group of the consumer that is connected without a grant. overdue: a deadline that
    passed. broken: a word in a control topic that does not count.

    Not promised: a consumer that reads without settling (`gebus consume`) is taken for silent; one that Kafka refused
    and that then left is not seen here, Kafka's own log of refusals (kafka.authorizer.logger) has it.
    """
    known = log.read()
    for where, why in sorted(known.broken.items()):
        yield Alert("broken", where, why)
    for line in log.audit():
        if line.get("outcome") == "refused" and line.get("at", 0) > now - _RECENT_MS:
            yield Alert(
                "trying", str(line.get("about")), f"{line.get('by')} at {shown(line['at'])}: {line.get('said')}"
            )
    ends = admin.ends(feed.kafka_topic for feed in catalogue.feeds.values())
    connected = reading(log.connection)
    used = settled(admin, list(connected))
    for feed in catalogue.feeds.values():
        held = known.grants.get(feed.id)
        grant = held.active(now) if held else None
        trying = sorted(group for group, topics in connected.items() if feed.kafka_topic in topics)
        if held is not None:
            for one in (decider for each in held.grants for decider in each.overdue(now)):
                yield Alert("overdue", feed.id, f"{one.party} has not answered; `gebus run control` escalates it")
        if grant is None and trying:
            yield Alert("trying", feed.id, f"no grant is live, and {', '.join(trying)} is connected")
        end = sum(offset for (topic, _), offset in ends.items() if topic == feed.kafka_topic)
        if grant is not None and end and now > grant.terms.begins + SILENT_MS and feed.kafka_topic not in used:
            yield Alert("silent", feed.id, f"{end} records since {shown(grant.terms.begins)}, and none was settled")
