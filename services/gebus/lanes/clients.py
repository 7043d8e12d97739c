"""The clients of a session: those of gebus.kafka, for one connection."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from typing import cast

from confluent_kafka.admin import AdminClient

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.kafka.lane_clients import (
    open_asker,
    open_consumer,
    open_control_reader,
    open_producer,
    open_reader,
    require_answer,
)
from gebus.lanes.control import Reader
from gebus.lanes.ends import Asker, Ends, Presence
from gebus.lanes.forms import Notes
from gebus.lanes.ids import topic_ids
from gebus.lanes.notes import read_notes
from gebus.lanes.ports import Consumer, Producer
from gebus.lanes.settings import CONTROL_GROUP, GROUP, slot_id


class LaneClients:
    """Opens the clients of one worker's sessions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asker: AdminClient | None = None

    def source_consumer(self, slot: int) -> Consumer:
        # librdkafka would try a refused password for ever; each session begins with a plain answer instead.
        require_answer(self._connection)
        return cast(Consumer, open_consumer(self._connection, slot, without_offset="error", tells_end=True))

    def state_consumer(self) -> Consumer:
        return cast(Consumer, open_reader(self._connection, "state"))

    def producer(self, slot: int) -> Producer:
        return cast(Producer, open_producer(self._connection, slot))

    def control_reader(self, slot: int) -> Reader:
        return cast(Reader, open_control_reader(self._connection, f"{CONTROL_GROUP}.{slot}"))

    def leave(self, slot: int, member: str | None = None) -> None:
        with Admin(self._connection) as admin:
            admin.remove_member(GROUP, slot_id(slot), member)

    def topic_ids(self, topics: Collection[str], seconds: float) -> dict[str, str]:
        return topic_ids(self._connection, topics, seconds)

    def notes(self) -> Notes:
        with closing(cast(Consumer, open_reader(self._connection, "notes"))) as reader:
            return read_notes(reader)

    def ends(self) -> Ends:
        return Ends(self._shared_asker())

    def presence(self) -> Presence:
        return Presence(self._shared_asker())

    def asker(self) -> Asker:
        """The client that asks brokers beside the loop."""
        return self._shared_asker()

    def _shared_asker(self) -> AdminClient:
        self._asker = self._asker or open_asker(self._connection)
        return self._asker
