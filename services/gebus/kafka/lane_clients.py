"""Clients for lanes: confluent-kafka (librdkafka), read and written in batches. Only lanes import this module."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from gebus.kafka.admin import Admin
from gebus.kafka.bounded import BoundedProducer
from gebus.kafka.connection import ANSWER_SECONDS, Connection

GROUP = "gebus.lanes"
TRANSACTION_SECONDS = 15
"""A dead worker's open transaction holds every reader back for so long at most."""

_log = logging.getLogger(__name__)
# Where nobody configured logging, Python would print warnings all the same: hundreds while a broker is gone.
_log.addHandler(logging.NullHandler())
_control_log = logging.getLogger(f"{__name__}.control")


def _unexpected(record: logging.LogRecord) -> bool:
    """Not that a later writer of the control topics has taken over, which `ControlLog` expects and tries again."""
    said = record.getMessage()
    return "fenced" not in said and "old epoch" not in said


_control_log.addFilter(_unexpected)

_PREFETCH = {
    # After the queue was full: the default of a second starves a fast consumer, a few milliseconds make librdkafka's
    # thread spin (tests/bench). The queue holds more than a worker takes in this time.
    "fetch.queue.backoff.ms": 50,
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 64 << 10,
    "fetch.wait.max.ms": 100,
    "max.partition.fetch.bytes": 1 << 20,
}
_NETWORK = {
    "socket.keepalive.enable": True,
    "socket.timeout.ms": ANSWER_SECONDS * 1000,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1000,
}


def open_consumer(
    connection: Connection,
    slot: int,
    *,
    without_offset: Literal["earliest", "error"] = "earliest",
    tells_end: bool = False,
) -> Consumer:
    """The consumer of one worker slot, a static member of the group of all lanes.

    Promised: committed records alone; nothing is committed but by a transaction; the range assignor gives this member
    the same partition numbers of all topics with equal partition counts. With `without_offset="error"` it never jumps
    over records: where it does not know where to read, an error comes in a message's place. With `tells_end` the end
    of a partition comes so too, each time it is reached. Not promised: that anybody answers; see `require_answer`.
    """
    return Consumer(
        {
            **_common(connection, f"gebus-lanes-{slot}"),
            **_PREFETCH,
            "group.id": GROUP,
            "group.protocol": "consumer",
            "group.remote.assignor": "range",
            "group.instance.id": f"{GROUP}.{slot}",
            "auto.offset.reset": without_offset,
            "enable.partition.eof": tells_end,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
        },
        logger=_log,
    )


def open_reader(connection: Connection, name: str) -> Consumer:
    """A consumer of no group, for partitions that the caller assigns: it reads a state topic back, up to its end.

    It sees committed records alone, and reports the end of a partition as a message with the error `_PARTITION_EOF`.
    """
    return Consumer(
        {
            **_common(connection, f"gebus-{name}"),
            **_PREFETCH,
            "group.id": GROUP,  # librdkafka looks for its coordinator, which takes the right, and never joins it
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        },
        logger=_log,
    )


def open_control_reader(connection: Connection, group: str) -> Consumer:
    """A consumer of the control topics, whose partitions the caller assigns; the group only keeps its offsets.

    It sees committed records alone, and reports the end of a partition as a message with the error `_PARTITION_EOF`.
    """
    return Consumer(
        {
            **_common(connection, group),
            "fetch.wait.max.ms": 100,
            "group.id": group,
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        },
        logger=_log,
    )


def open_control_writer(connection: Connection) -> Producer:
    """The transactional producer of the control topics: whoever opens it ends what another had begun."""
    return BoundedProducer(
        {
            **_common(connection, "gebus-control"),
            "transactional.id": "gebus.control",
            "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "message.max.bytes": 2 << 20,
        },
        logger=_control_log,
    )


def open_producer(connection: Connection, slot: int) -> Producer:
    """The transactional producer of one worker slot; `init_transactions` fences whoever held the slot before.

    Delivery is reported where the record was given with `on_delivery`. Not promised: that anybody answers; see
    `require_answer`.
    """
    return BoundedProducer(
        {
            **_common(connection, f"gebus-lanes-{slot}"),
            "transactional.id": f"{GROUP}.{slot}",
            "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            # Longer than any commit interval: nobody can read a record before its commit, which flushes; and while a
            # request of a partition is under way, librdkafka's thread spins if the next one is ready.
            "linger.ms": 1_000,
            # So what a transaction writes to a partition, a join's state most of all, should fit one request: a third
            # of a lane's CPU time was spinning. Below the broker's 10 MiB, the limit of every topic that lanes write.
            "batch.size": 9_000_000,
            "batch.num.messages": 100_000,
            "message.max.bytes": 10 << 20,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 256 << 10,
        },
        logger=_log,
    )


def open_writer(connection: Connection, name: str, on_delivery: Callable[[KafkaError | None, Any], None]) -> Producer:
    """A producer without transactions, for topics that no lane writes; `on_delivery` hears of what failed."""
    return BoundedProducer(
        {
            **_common(connection, f"gebus-{name}"),
            "enable.idempotence": True,
            "on_delivery": on_delivery,
            "delivery.report.only.error": True,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 20,
            "message.max.bytes": 2 << 20,
            "message.timeout.ms": 30_000,
        },
        logger=_log,
    )


def open_asker(connection: Connection) -> AdminClient:
    """A client that asks for the ends of partitions, as futures."""
    # Such a client does not learn by itself that a leader has changed, not even from a broker that says so: once its
    # knowledge is old, it asks again.
    return AdminClient({**_common(connection, "gebus-lanes-ends"), "metadata.max.age.ms": 1_000}, logger=_log)


def require_answer(connection: Connection) -> None:
    """Log in once: Denied with a wrong password, Unavailable where nobody answers within 10 seconds.

    librdkafka itself tries a refused password again for ever, and says so in its log alone.
    """
    Admin(connection).close()


def _common(connection: Connection, name: str) -> dict[str, Any]:
    return {**connection.for_librdkafka(), **_NETWORK, "client.id": name, "error_cb": _tell}


def _tell(error: KafkaError) -> None:
    """What goes on outside of any call: a broker lost, a login refused. librdkafka goes on trying by itself."""
    _log.warning("%s: %s", error.name(), error.str())
