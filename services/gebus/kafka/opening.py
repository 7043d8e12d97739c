"""Opening a client of kafka-python so that a refusal is told at once, and a failure leaves nothing open."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from kafka.errors import AuthorizationError, SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from gebus.kafka.connection import ANSWER_SECONDS, Connection
from gebus.kafka.errors import told
from gebus.model.errors import Unavailable

T = TypeVar("T")


class _Manager(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python ships no types
    """Gives up at the first refusal to log in.

    kafka-python 3.0 would try again until its time is over, and then say that nobody answers: it remembers refusals,
    but not those of the first connection, and it drops an answer that arrives together with the end of the connection.
    """

    async def _build_transport(self, node: Any, **options: Any) -> Any:
        transport = await super()._build_transport(node, **options)
        receive = transport._sock_recv

        def answer_before_end() -> tuple[bytes, Exception | None]:
            data, error = receive()
            return data, None if data else error  # the end is still there at the next read

        transport._sock_recv = answer_before_end
        return transport

    async def _connect(self, node: Any, conn: Any, **options: Any) -> None:
        await super()._connect(node, conn, **options)
        conn.init_future.add_errback(lambda error: self._remember(node.node_id, error))

    def _remember(self, node_id: object, error: BaseException) -> None:
        # Later refusals are left to kafka-python: a client that lives on must outlive a broker that is restarting.
        if not self.bootstrapped and isinstance(error, SaslAuthenticationFailedError | AuthorizationError):
            self._auth_failures[node_id] = error


def _require_server(connection: Connection, doing: str) -> None:
    """Shake hands once with any of the servers: kafka-python would only say, 10 seconds later, that it could not."""
    context = connection.trust()
    problems = []
    for server in connection.bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with (
                socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                return
        except ssl.SSLCertVerificationError as error:
            problems.append(
                f"{server} is not the server that {connection.ca_file} vouches for ({error.verify_message})"
            )
        except OSError as error:
            problems.append(f"{server} does not answer ({error.strerror or error})")
    raise Unavailable(
        f"Kafka at {'; '.join(problems)}: {connection.principal} {doing}; `gebus status` shows whether it runs"
    )


def open_client(connection: Connection, doing: str, make: Callable[..., T], **settings: Any) -> T:
    """Make a client of kafka-python.

    Denied with a wrong password, Unavailable where nobody listens, or nobody whose certificate the connection's
    authority signed, or nobody answers for 10 seconds.
    """
    _require_server(connection, doing)
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
