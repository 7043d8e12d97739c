"""A worker as a process: how it ends, and what it says."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError

from gebus.lanes.errors import Fenced, SessionEnded, in_our_words
from gebus.lanes.messages import OnceInAWhile, raised_as_well
from gebus.lanes.process import exit_status
from gebus.lanes.supervisor import EXIT_DENIED, EXIT_FENCED
from gebus.model.errors import Denied, GebusError, NotFound


def said(message: str, at: float) -> logging.LogRecord:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, message, (), None)
    record.created = at
    return record


def test_the_same_message_is_said_once_in_a_while() -> None:
    once = OnceInAWhile()
    assert [once.filter(said("down", at)) for at in (0.0, 1.0, 9.9, 10.0, 11.0)] == [True, False, False, True, False]
    assert once.filter(said("up", 11.0))


def test_a_flood_of_different_messages_is_remembered_within_bounds() -> None:
    once = OnceInAWhile()
    assert all(once.filter(said(f"message {number}", 0.0)) for number in range(5_000))
    assert len(once._said) <= 1_000


def test_what_is_fatal_for_a_client_is_said_by_the_session_alone() -> None:
    def of_client(message: str) -> logging.LogRecord:
        return logging.LogRecord("gebus.kafka.lane_clients", logging.CRITICAL, "f", 1, message, (), None)

    taken = KafkaError(KafkaError.UNRELEASED_INSTANCE_ID).str()
    assert not raised_as_well(of_client(f"FATAL [gebus-lanes-0#consumer-1] [thrd:main]: Fatal error: {taken}"))
    assert raised_as_well(of_client("FAIL [gebus-lanes-0#consumer-1] [thrd:main]: Connect to localhost failed"))
    ended = in_our_words(KafkaError(KafkaError._FATAL, f"Fatal error: {taken}: heartbeat"), "consuming the sources")
    assert isinstance(ended, SessionEnded)
    assert ended.retriable
    assert str(ended).startswith("the group keeps this slot for another process")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0),
        (Fenced("fenced while producing"), EXIT_FENCED),
        (Denied("no right"), EXIT_DENIED),
        (NotFound("no topic"), 1),
    ],
)
def test_the_exit_status_says_how_a_worker_ended(
    error: GebusError | None, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def run() -> None:
        if error is not None:
            raise error

    assert exit_status(run, 4) == status
    assert error is None or f"slot 4: {error}" in caplog.text
