"""How a worker works: the numbers, each with what it prevents."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "gebus.lanes"
"""The consumer group of all workers."""
CONTROL_GROUP = "gebus.lanes.control"
"""With a point and the slot: the group whose offsets say how far a worker has taken the control topics in."""
PRINCIPAL = "gebus-lanes"
STATE_PREFIX = "gebus.state."


def slot_id(slot: int) -> str:
    """The transactional id and the static member id of a slot."""
    return f"{GROUP}.{slot}"


def state_topic(lane: str) -> str:
    """The Kafka topic that holds a lane's state; its partition p holds that of slice p."""
    return f"{STATE_PREFIX}{lane}"


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """The bounds of a worker. Seconds, where a name does not say otherwise."""

    batch: int = 1_000
    """Records given to the kernel at once: enough to make Python's share vanish, few enough to stay in cache (10,000
    cost a fifth more)."""
    commit_interval: float = 0.1
    idle: float = 0.1
    """How long an idle worker waits for a record before it looks after the rest: stop, schemas, restores."""
    busy_wait: float = 0.02
    """The same while a slice is restored or a partition waits, so that neither is held up by the other."""
    produce_timeout: float = 10.0
    """How long a full queue may stay full: the broker is gone then, and the session ends."""
    commit_timeout: float = 10.0
    """Less than the transaction timeout of 15 s: a session knows that it is uncertain before the broker ends it."""
    init_timeout: float = 30.0
    """An earlier producer's open transaction is aborted first, at the latest after its own 15 s."""
    restore_timeout: float = 120.0
    """Without one record of progress. Longer than a dead worker's transaction can hold the log back."""
    restore_slice: float = 0.05
    """How long restoring may keep the live slices waiting at a time."""
    order_wait: float = 0.002
    """How long the loop waits for a record while it waits for the broker's word on a silent input as well."""
    order_ask: float = 0.01
    """How often the broker is asked for it, while its word is not enough."""
    ahead_records: int = 400_000
    ahead_bytes: int = 256 << 20
    """How much of all ordered inputs together may wait for its turn: each that runs ahead by more than its part of it,
    and by more than a batch, is paused. A pause is dear: what the client has fetched by then is fetched again."""
    ledger_seconds: int = 14_400
    """Older than this, the ledger's newest checkpoint holds sensitive feeds back; X-Road has the same bound."""
    state_bytes: int = 8 << 30
    """How much state a worker may hold; beyond, the system would kill it."""
    spill_bytes: int = 0
    """How much of the state may go to the disk when memory is used up; 0: none."""
    snapshot_bytes: int = 16 << 20
    """Less of a log's tail is read faster than a snapshot of it is worth."""
    snapshot_interval: float = 1.0
    """At least so long from one snapshot to the next, of whatever slice."""
    snapshot_retry: float = 60.0
    """After one that failed: a disk that is full is not made emptier by trying."""
    clock_interval: float = 10.0
    """How often state that no record can match any more is dropped."""
    look_interval: float = 0.5
    """How often it is looked whether topics are there, while that is in doubt."""
    refused_retry: float = 15.0
    """After a share's state was missing: `gebus apply` may have made its topic."""
    session_attempts: int = 240
    session_backoff: float = 0.2
    session_backoff_ceiling: float = 1.0
    """A killed worker's slot is free 6 s after its death: whoever waits longer than this between two attempts keeps its
    slices waiting."""
    lookup_backoff: float = 0.2
    lookup_backoff_ceiling: float = 10.0
