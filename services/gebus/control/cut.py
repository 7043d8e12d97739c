"""When a change of the control topics has reached every lane."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from gebus.control.groups import described
from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.lanes.ports import Clock
from gebus.lanes.settings import CONTROL_GROUP, GROUP, slot_id

_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a feed ends after a revocation, in every partition of its topic."""

    ends: dict[int, int]
    confirmed: tuple[int, ...]
    """The slots of the workers that have taken it in."""
    silent: tuple[int, ...]
    """Those that had not, in the time that was waited: for them the mark does not hold, and their group decides."""
    seconds: float


def mark(
    connection: Connection,
    admin: Admin,
    feed_topic: str,
    control: tuple[str, int],
    *,
    clock: Clock,
    seconds: float = 5.0,
) -> Mark:
    """Wait until every live worker has taken the record `control` (topic, offset) in; then say where the feed ends.

    Promised: where `silent` is empty no record comes after the ends: a worker confirms between two transactions, and
    the one before is committed by then; one that starts later reads the control topics first. Not promised: the same
    of a worker that the group does not know yet or any more, while it starts or stands still.
    """
    started = clock.monotonic()
    waiting = threading.Event()
    while True:
        slots = _live(connection)
        silent = tuple(slot for slot in slots if _taken(admin, slot, control[0]) <= control[1])
        spent = clock.monotonic() - started
        if not silent or spent > seconds:
            ends = {partition: end for (_, partition), end in sorted(admin.ends([feed_topic]).items())}
            return Mark(ends, tuple(slot for slot in slots if slot not in silent), silent, spent)
        waiting.wait(_PAUSE)


def _taken(admin: Admin, slot: int, topic: str) -> int:
    return admin.committed(f"{CONTROL_GROUP}.{slot}").get((topic, 0), 0)


def _live(connection: Connection) -> tuple[int, ...]:
    """The slots that are members of the lanes' group now."""
    prefix = slot_id(0)[:-1]
    found = described(connection, [GROUP])
    instances = (member.group_instance_id or "" for group in found.values() for member in group.members)
    return tuple(sorted(int(name.removeprefix(prefix)) for name in instances if name.startswith(prefix)))
