"""Publishers that go on for as long as a cell lasts, and note what they sent and what the log confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from random import Random
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Message, Producer
from tests.fault.history import History
from tests.fault.world import PARTIES, POISON, Sent, Traffic
from tests.integration.lanes.kit import wait_until

from gebus.kafka import Connection
from gebus.testing.messages import Encoder, key_of

_TICK = 0.1
_LEAST_A_SECOND = 60
_FIRST_PART = 15.0
"""Seconds after which a third of the events is left, if nobody asks for the rest earlier."""


class Load:
    """At least so many events of a seed: ever more slowly until `finish`, which sends what is left of them.

    It never runs dry before, so that there is a load during every fault.

    Its producers are idempotent and never give up: what the log has twice or lacks is not theirs.
    """

    def __init__(
        self,
        history: History,
        connections: Mapping[str, Connection],
        encoders: Mapping[str, tuple[Encoder, tuple[str, ...]]],
        domain: str,
        *,
        events: int,
        seed: int,
    ) -> None:
        """`encoders`: how the records of each contract are written, and the fields of its key."""
        self._history, self._encoders, self._domain = history, encoders, domain
        self._traffic: Iterator[Sent] = iter(Traffic(Random(seed)))
        self._left, self.acknowledged, self.sent = events, 0, 0
        self._finish, self._stop = threading.Event(), threading.Event()
        self._failed: list[BaseException] = []
        self._producers = {party: self._open(connections[party]) for party in PARTIES}
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(30)

    def finish(self, seconds: float = 180) -> None:
        """Send the rest without a pause; return when all of it is acknowledged."""
        self._finish.set()
        wait_until(lambda: not self._thread.is_alive(), "all events are published", seconds)
        if self._failed:
            raise self._failed[0]
        assert self.acknowledged == self.sent, f"{self.acknowledged} of {self.sent} were acknowledged"

    def _run(self) -> None:
        try:
            started = time.monotonic()
            while not self._stop.is_set() and not (self._finish.is_set() and self._left <= 0):
                rest = self._finish.is_set()
                share = max(_LEAST_A_SECOND * _TICK, self._left * _TICK / _FIRST_PART)
                for _ in range(min(self._left, 2000) if rest else int(share)):
                    self._send(next(self._traffic))
                    self._left -= 1
                self._poll()
                if not rest:
                    self._finish.wait(_TICK)
            while self.acknowledged < self.sent and not self._stop.is_set():
                self._poll(0.05)
            self._history.note("published", events=self.sent, seconds=round(time.monotonic() - started, 1))
        except BaseException as error:
            self._failed.append(error)

    def _send(self, sent: Sent) -> None:
        encoder, key_fields = self._encoders[sent.contract]
        topic = f"{self._domain}.{sent.contract}.{sent.party}"
        if sent.record is None:
            key, value = b"k1", POISON + sent.event_id.encode()
        else:
            key, value = key_of(sent.record, key_fields), encoder.encode(sent.record)
        self._history.note("sent", topic=topic, id=sent.event_id)
        producer = self._producers[sent.party]

        def confirmed(error: Any, message: Message) -> None:
            if error is not None:
                self._failed.append(AssertionError(f"{topic}: {sent.event_id}: {error}"))
                return
            self.acknowledged += 1
            place = {"partition": message.partition(), "offset": message.offset()}
            self._history.note("acknowledged", topic=topic, **place, id=sent.event_id)

        producer.produce(topic, value, key=key, on_delivery=confirmed)
        self.sent += 1

    def _poll(self, seconds: float = 0.0) -> None:
        for producer in self._producers.values():
            producer.poll(seconds)

    @staticmethod
    def _open(connection: Connection) -> Producer:
        return Producer(
            {
                **connection.for_librdkafka(),
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
            }
        )
