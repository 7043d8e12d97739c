"""What confluent-kafka raises, in the words of gebus: who must end, the session or the worker.

Unavailable
`-- SessionEnded            what a session holds is uncertain; the next begins from what is committed
Stopped
`-- Fenced                  the slot was taken from this worker; it leaves the process
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from gebus.model.errors import Denied, GebusError, Stopped, Unavailable


class SessionEnded(Unavailable):
    """What this session holds is uncertain: its transaction was refused, timed out or may have been committed."""


class Fenced(Stopped):
    """This slot's transactional id was taken by another process, or by the broker from a worker that stood still
    too long.

    Nothing that this worker still holds can be committed.
    """


_MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        # Of offsets in a transaction: the group gave this member up, and its slices to others.
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
_DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)


_UNRELEASED = KafkaError(KafkaError.UNRELEASED_INSTANCE_ID).str()
"""What is fatal for a consumer says its cause in words alone."""


def is_missing(error: KafkaError) -> bool:
    """Whether Kafka answered that there is no such topic or partition."""
    return error.code() in _MISSING


def in_our_words(error: KafkaError, doing: str) -> GebusError:
    """The error of gebus for what Kafka answered while `doing`."""
    said = f"{error.name()}: {error.str()}"
    if error.code() in _FENCED:
        return Fenced(
            f"fenced while {doing} ({said}): another process took this slot, or this one stood still for longer than "
            "its session or transaction may; the open transaction is void; see that each slot is run once"
        )
    if error.code() in _DENIED:
        return Denied(f"Kafka refused the worker while {doing} ({said}); `gebus apply` grants what the catalogue says")
    if _UNRELEASED in error.str():
        return SessionEnded(
            "the group keeps this slot for another process: one that runs, so see that each slot is run once, or one "
            "that ended without a word, whose session is over within a minute; it is tried until then"
        )
    return SessionEnded(
        f"the outcome is uncertain while {doing} ({said}); the next session begins from what is committed"
    )


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Raise what confluent-kafka raises inside as an error of gebus."""
    try:
        yield
    except KafkaException as error:
        raise in_our_words(error.args[0], doing) from error
