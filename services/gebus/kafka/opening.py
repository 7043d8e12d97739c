"""Opening a client of kafka-python so that a refusal is told at once, and a failure leaves nothing open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.errors import AuthorizationError, SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from gebus.kafka.connection import Connection
from gebus.kafka.errors import told

T = TypeVar("T")


class _Manager(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python ships no types
    """Gives up at the first refusal to log in. kafka-python 3.0 would try again until its time is over, and then say
    that nobody answers; it remembers refusals, but not those of the first connection.
    """

    async def _connect(self, node: Any, conn: Any, **options: Any) -> None:
        await super()._connect(node, conn, **options)
        conn.init_future.add_errback(lambda error: self._remember(node.node_id, error))

    def _remember(self, node_id: object, error: BaseException) -> None:
        # Later refusals are left to kafka-python: a client that lives on must outlive a broker that is restarting.
        if not self.bootstrapped and isinstance(error, SaslAuthenticationFailedError | AuthorizationError):
            self._auth_failures[node_id] = error


def open_client(connection: Connection, doing: str, make: Callable[..., T], **settings: Any) -> T:
    """Make a client of kafka-python. Denied with a wrong password, Unavailable where nobody answers for 10 seconds."""
    made = []

    def client(**configs: Any) -> KafkaNetClient:
        net = NetworkSelector(**configs)
        made.append(KafkaNetClient(net=net, manager=_Manager(net, **configs)))
        return made[-1]

    try:
        with told(connection, doing):
            return make(**connection.for_kafka_python(), kafka_client=client, **settings)
    except BaseException:
        # Where a constructor fails, nobody else can reach the sockets and the thread that it began with.
        for half_open in made:
            half_open.close()
            half_open._net.stop()  # as KafkaAdminClient.close does
        raise
