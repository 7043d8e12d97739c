"""What was delivered under a mode, from the ledger's leaves."""

from __future__ import annotations

import json

from gebus.kafka import Connection
from gebus.kafka.lane_clients import open_reader, require_answer
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place
from gebus.model.leaf import LEAF_TOPIC, Leaf, Message

__all__ = ["as_json", "deliveries"]


def deliveries(connection: Connection, mode: str) -> list[Leaf]:
    """Every leaf of a mode, in the order of the ledger; the whole of its topic is read."""
    require_answer(connection)
    consumer = open_reader(connection, "control")
    try:
        found = []
        for message in read_to_end(consumer, [Place(LEAF_TOPIC, 0)]):
            leaf = Message.decode(message.value(), f"{LEAF_TOPIC} at offset {message.offset()}").leaf
            if leaf.mode == mode:
                found.append(leaf)
        return found
    finally:
        consumer.close()


def as_json(leaf: Leaf) -> dict[str, object]:
    """The leaf for machines: the JSON that the ledger hashes."""
    fields: dict[str, object] = json.loads(leaf.encode())
    return fields
