"""The topic in which `gebus apply` notes what the steps of the feeds remember, read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from kafka import TopicPartition

from gebus.kafka import Connection
from gebus.kafka.connection import ANSWER_SECONDS
from gebus.kafka.edge import close_producer, open_consumer, open_producer
from gebus.kafka.errors import told
from gebus.lanes.forms import STEPS_TOPIC, Notes, parse_notes
from gebus.model.errors import Unavailable

_PLACE = TopicPartition(STEPS_TOPIC, 0)


class Notebook:
    """What is noted, by feed and by lane.

    Promised: what `write` returned from is in the log. Not promised: two who apply at once.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self) -> Notes:
        """All that is noted now; the topic must be there."""
        with closing(open_consumer(self._connection)) as consumer, told(self._connection, f"reading {STEPS_TOPIC}"):
            consumer.assign([_PLACE])
            consumer.seek_to_beginning(_PLACE)
            end = consumer.end_offsets([_PLACE])[_PLACE]

            def records() -> Iterator[tuple[str, bytes | None]]:
                while consumer.position(_PLACE) < end:
                    found = consumer.poll(timeout_ms=ANSWER_SECONDS * 1000).get(_PLACE, ())
                    if not found:
                        raise Unavailable(
                            f"nothing came of {STEPS_TOPIC} for {ANSWER_SECONDS} s; `gebus status` shows whether Kafka "
                            "runs"
                        )
                    yield from ((record.key.decode(), record.value) for record in found)

            return parse_notes(records())

    def write(self, values: Mapping[str, bytes]) -> None:
        """Note this of these feeds and lanes, in the place of what was noted of them."""
        if not values:
            return
        producer = open_producer(self._connection)
        try:
            with told(self._connection, f"writing to {STEPS_TOPIC}"):
                sent = [producer.send(STEPS_TOPIC, key=key.encode(), value=value) for key, value in values.items()]
                for one in sent:
                    one.get(ANSWER_SECONDS)
        finally:
            close_producer(producer)
