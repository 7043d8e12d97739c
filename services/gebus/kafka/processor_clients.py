"""Clients for processors: Faust (aiokafka), with the settings that gebus promises by. Only they import this module."""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import faust
from faust.auth import SASLCredentials
from faust.transport.drivers import aiokafka as driver
from kafka import TopicPartition
from mode.supervisors import CrashingSupervisor

from gebus.kafka.connection import ANSWER_SECONDS, Connection
from gebus.kafka.edge import open_consumer
from gebus.kafka.errors import told

_SESSION_SECONDS = 10
"""A killed processor's partitions are given away after so long."""
_ACKNOWLEDGED_SECONDS = 60
"""A record without acknowledgement after so long ends the processor, which then begins where it was."""


class AcknowledgedTable(faust.Table[Any, Any]):
    """A table whose last change can be waited for.

    Faust gives a change to its producer and commits offsets without knowing what became of it: after a crash the table
    could lack a record that is not read again.
    """

    sent: Any = None

    def send_changelog(self, *arguments: Any, **options: Any) -> Any:
        """As Faust's, and remembered in `sent`."""
        self.sent = super().send_changelog(*arguments, **options)
        return self.sent


def require_access(connection: Connection, group: str, topics: Sequence[str]) -> None:
    """Log in, look at the topics and at the group once: Denied or Unavailable within 10 seconds.

    Faust itself waits for ever: for a broker, a topic that it may not see, a group that it may not join.
    """
    consumer = open_consumer(connection, group, topics)
    try:
        with told(connection, f"looking at group {group}"):
            consumer.committed(TopicPartition(topics[0], 0), timeout_ms=ANSWER_SECONDS * 1000)
    finally:
        consumer.close()


def open_app(connection: Connection, group: str) -> Any:
    """A Faust app that is a member of `group`; made inside the running event loop.

    Promised: committed records alone; nothing is made on the broker, and nothing listens on a port; a send is
    acknowledged by all in-sync replicas or failed within a minute; an agent that fails ends the app, and the record
    that it failed on is not committed. Not promised: that anybody answers; see `require_access`.
    """
    context = connection.trust()
    credentials = SASLCredentials(
        username=connection.principal,
        password=connection.password.get_secret_value(),
        ssl_context=context,
        mechanism="SCRAM-SHA-512",
    )
    app = faust.App(
        group,
        broker=[f"kafka://{server.strip()}" for server in connection.bootstrap.split(",")],
        broker_credentials=credentials,
        broker_client_id=f"gebus-{group}",
        broker_session_timeout=_SESSION_SECONDS,
        broker_heartbeat_interval=2.0,
        broker_request_timeout=_ACKNOWLEDGED_SECONDS,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_request_timeout=_ACKNOWLEDGED_SECONDS,
        producer_compression_type="lz4",
        agent_supervisor=CrashingSupervisor,
        stream_ack_exceptions=False,
        stream_ack_cancelled_tasks=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_in_thread=False,
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / f"gebus-{group}",  # Faust makes it, and a store in memory leaves it empty
    )
    app.transport = _Transport(app.conf.broker_consumer, app)
    return app


class _CommittedThread(driver.AIOKafkaConsumerThread):
    """Reads committed records alone: a feed also holds those of lanes' transactions that were aborted.

    Faust asks for that only where it writes in transactions itself.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class _Flowing:
    """The partitions whose records may be taken now, for a fetch to ask as each record comes: true even when none is.

    Faust hands its set of active partitions to aiokafka and changes it while the fetch is under way. Once all of them
    are paused the set is empty, and aiokafka takes an empty set to mean every partition.
    """

    def __init__(self, active: Container[Any], paused: Container[Any]) -> None:
        self._active, self._paused = active, paused

    def __contains__(self, tp: Any) -> bool:
        return tp in self._active and tp not in self._paused


class _Consumer(driver.Consumer):
    """Takes records of a partition from when the flow is resumed, and not before.

    When Faust has restored its tables it (1) resumes the partitions of the feed, (2) seeks to the committed offsets,
    (3) empties the queues of the agents, and (4) resumes the flow. A record that is taken between 2 and 3 would be
    lost: it is thrown away, with the queue or because its partition is paused, and not fetched again. So partitions
    wait for 4: those that Faust resumes, and those that are newly assigned, which it pauses a moment later.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._waiting: set[Any] = set()
        super().__init__(*arguments, **options)

    def resume_partitions(self, tps: Iterable[Any]) -> None:
        self._waiting.update(tps)

    def _set_active_tps(self, tps: set[Any]) -> set[Any]:
        self._paused_partitions.update(tps)
        return super()._set_active_tps(tps)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        flowing: Any = _Flowing(active_partitions, self._paused_partitions)
        return await super()._getmany(flowing, timeout)

    def pause_partitions(self, tps: Iterable[Any]) -> None:
        paused = set(tps)
        self._waiting -= paused
        super().pause_partitions(paused)

    def resume_flow(self) -> None:
        waiting, self._waiting = self._waiting, set()
        super().resume_partitions(waiting)
        super().resume_flow()

    def _new_consumer_thread(self) -> _CommittedThread:
        return _CommittedThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer
