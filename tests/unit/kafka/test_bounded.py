"""A producer that always comes back, whatever its client does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaException

from gebus.kafka import bounded
from gebus.kafka.bounded import BoundedProducer
from gebus.model.errors import Stopped


def producer(send: Callable[[], object]) -> BoundedProducer:
    """One whose client does `send`."""

    class Client(BoundedProducer):
        def _send(self, *_: Any) -> None:
            send()

    return Client({"bootstrap.servers": "127.0.0.1:1"})


def test_a_call_that_does_not_come_back_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_GRACE_SECONDS", 0.05)
    never = threading.Event()
    with pytest.raises(Stopped, match=r"has not come back .* while adding offsets"):
        producer(never.wait).send_offsets_to_transaction([], None, 0.05)
    never.set()


def test_what_the_client_says_is_passed_on() -> None:
    def refuse() -> None:
        raise KafkaException("refused")

    with pytest.raises(KafkaException, match="refused"):
        producer(refuse).send_offsets_to_transaction([], None, 5)
    producer(lambda: None).send_offsets_to_transaction([], None, 5)
