"""Clients for the edge: kafka-python, pure Python, with the settings that gebus promises by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from kafka import KafkaConsumer, KafkaProducer

from gebus.kafka.connection import ANSWER_SECONDS, Connection
from gebus.kafka.errors import told
from gebus.kafka.opening import open_client
from gebus.model.base import milliseconds
from gebus.model.errors import Denied

_DELIVERY_TIMEOUT = timedelta(seconds=30)
_CLOSE_SECONDS = 5.0


def open_producer(connection: Connection, *, delivery_timeout: timedelta = _DELIVERY_TIMEOUT) -> KafkaProducer:
    """A connected producer.

    Promised: a confirmed record is in the log once, whatever was retried; records of one partition keep their order;
    each record is confirmed or failed within `delivery_timeout`; the partitioner is murmur2 of the key, as everywhere.
    Denied with a wrong password, Unavailable where nobody answers, both within 10 seconds.
    """
    delivery_ms = milliseconds(delivery_timeout)
    return open_client(
        connection,
        "opening a producer",
        KafkaProducer,
        client_id=f"gebus-{connection.principal}",
        enable_idempotence=True,
        acks="all",
        compression_type="lz4",
        linger_ms=5,
        batch_size=256 << 10,
        max_request_size=2 << 20,
        max_block_ms=ANSWER_SECONDS * 1000,
        delivery_timeout_ms=delivery_ms,
        request_timeout_ms=min(ANSWER_SECONDS * 1000, delivery_ms // 2),
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def close_producer(producer: KafkaProducer) -> None:
    """Disconnect, within 5 seconds, waiting so long for what is under way."""
    producer.close(timeout=_CLOSE_SECONDS)


def open_consumer(
    connection: Connection,
    group: str | None = None,
    topics: Sequence[str] = (),
    *,
    without_offset: Literal["earliest", "none"] = "earliest",
) -> KafkaConsumer:
    """A connected consumer that sees committed records alone, and commits nothing by itself.

    With a group and topics it is subscribed to them, and starts at the beginning where the group has no offset; without
    topics the caller subscribes or assigns. With `without_offset="none"` poll() raises where the group has no offset or
    the log no longer holds it, for a caller that must not skip silently. Denied with a wrong password, Unavailable
    where nobody answers, both within 10 seconds; Denied for a topic that it may not see. A missing right to
    the group shows when it polls.
    """
    consumer = open_client(
        connection,
        "opening a consumer",
        KafkaConsumer,
        client_id=f"gebus-{connection.principal}",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset=without_offset,
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        max_poll_records=2000,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
        request_timeout_ms=ANSWER_SECONDS * 1000,
        metrics_enabled=False,
    )
    if topics:
        try:
            _subscribe(consumer, connection, topics)
        except BaseException:
            consumer.close()
            raise
    return consumer


def cluster_of(consumer: KafkaConsumer) -> str:
    """The id of the Kafka cluster that a consumer has asked something of: what tells one bus from another."""
    return str(consumer._cluster.cluster_id)  # kafka-python has no other way to it for who may describe nothing


def _subscribe(consumer: KafkaConsumer, connection: Connection, topics: Sequence[str]) -> None:
    with told(connection, f"reading {', '.join(topics)}"):
        unseen = [topic for topic in topics if not consumer.partitions_for_topic(topic)]
    if unseen:
        # kafka-python only logs that it may not see a topic, and then waits for it for ever.
        raise Denied(
            f"{connection.principal} may not read {', '.join(unseen)} of Kafka at {connection.bootstrap}, or it is not "
            "there: Kafka shows nobody more than they may read; `gebus apply` makes what the catalogue has"
        )
    consumer.subscribe(list(topics))
