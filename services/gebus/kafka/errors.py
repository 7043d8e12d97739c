"""What kafka-python raises, in the words of gebus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import (
    AuthorizationError,
    BrokerResponseError,
    IllegalSaslStateError,
    KafkaError,
    NoError,
    RetriableError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
)

from gebus.kafka.connection import Connection
from gebus.model.errors import Denied, GebusError, NotFound, Refused, Unavailable

_LOGIN = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError, IllegalSaslStateError)


def in_our_words(error: BaseException, connection: Connection, doing: str) -> GebusError:
    """The error of gebus that says what `error` says. `doing` completes: Kafka refused <principal> <doing>."""
    who, where = connection.principal, connection.bootstrap
    said = getattr(error, "message", None) or type(error).__name__
    if isinstance(error, _LOGIN):
        return Denied(f"Kafka at {where} refused to log in {who}: {said}; check the secret of {who}")
    if isinstance(error, AuthorizationError):
        return Denied(f"Kafka at {where} refused {who} {doing}: {said}; `gebus apply` grants what the catalogue says")
    if isinstance(error, UnknownTopicOrPartitionError):
        return NotFound(f"Kafka at {where} has no such topic or partition: {who} {doing}; run `gebus apply`")
    if isinstance(error, RetriableError) or not isinstance(error, BrokerResponseError):
        return Unavailable(
            f"Kafka at {where} does not answer {who} {doing}: {error or said}; `gebus status` shows whether it runs"
        )
    return Refused(f"Kafka at {where} refused {who} {doing}: {error or said}")


@contextmanager
def told(connection: Connection, doing: str) -> Iterator[None]:
    """Raise what kafka-python raises inside as an error of gebus."""
    try:
        yield
    except KafkaError as error:
        raise in_our_words(error, connection, doing) from error


def check(connection: Connection, doing: str, code: type[KafkaError], message: str | None = None) -> None:
    """Raise if a code in a server's answer is not NoError."""
    if code is not NoError:
        raise in_our_words(code(message) if message else code(), connection, doing)
