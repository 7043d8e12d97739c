"""A transactional producer that always comes back."""

from __future__ import annotations

import threading
from typing import Any

from confluent_kafka import Producer

from gebus.model.errors import Stopped

_GRACE_SECONDS = 2.0


class BoundedProducer(Producer):
    """confluent-kafka's producer, whose `send_offsets_to_transaction` heeds its timeout.

    librdkafka's own does not where the coordinator of the group went away meanwhile: it may wait for ever, also when
    the broker is back for long (its issues 5456 and 5511). Promised: Stopped soon after the timeout; what was asked is
    uncertain then. Not promised: that this producer, or the thread that waits for it, ever ends; the process must.
    """

    _send = Producer.send_offsets_to_transaction

    def send_offsets_to_transaction(self, positions: Any, group_metadata: Any, timeout: float = -1) -> None:
        """Send them, in a thread that may be left behind."""
        raised: list[BaseException] = []

        def send() -> None:
            try:
                self._send(positions, group_metadata, timeout)
            except BaseException as error:
                raised.append(error)

        sending = threading.Thread(target=send, name="send-offsets", daemon=True)
        sending.start()
        sending.join(None if timeout < 0 else timeout + _GRACE_SECONDS)
        if sending.is_alive():
            raise Stopped(
                f"Kafka's client has not come back {_GRACE_SECONDS:g} s after its timeout of {timeout:g} s while "
                "adding offsets to a transaction; this happens where a broker went away, and its process must begin "
                "anew: `gebus run lanes` starts it again by itself"
            )
        if raised:
            raise raised[0]
