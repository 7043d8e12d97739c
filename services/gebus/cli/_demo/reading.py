"""The consumers read, each as itself: feeds, and the owners' dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from kafka import TopicPartition

from gebus.cli._demo.history import History
from gebus.cli._demo.stage import Stage
from gebus.kafka.edge import open_consumer
from gebus.kafka.lane_clients import open_reader
from gebus.lanes import accounts
from gebus.lanes.dead_letters import DeadLetter, read_dead_letter
from gebus.model.leaf import USAGE_PRINCIPAL
from gebus.stack.layout import ADMIN
from gebus.usage import Book, Metered, catch_up
from gebus_connectors.sdk import Subscriber


def read_feeds(on: Stage, history: History) -> None:
    """Read every feed from its beginning to its end, every consumer in a thread of its own."""
    feeds: dict[str, list[str]] = {}
    for feed in on.catalogue.feeds.values():
        feeds.setdefault(feed.consumer, []).append(feed.id)

    def read_as(consumer: str) -> dict[str, list[Mapping[str, Any]]]:
        got: dict[str, list[Mapping[str, Any]]] = {feed: [] for feed in feeds[consumer]}
        with Subscriber(on.connection(consumer), feeds[consumer]) as subscriber:
            for delivery in subscriber.read_to_end():
                got[delivery.feed].append(delivery.record)
        return got

    with ThreadPoolExecutor(len(feeds), thread_name_prefix="consumer") as pool:
        for got in pool.map(read_as, feeds):
            history.received.update(got)


def read_dead_letters(on: Stage) -> list[DeadLetter]:
    """Every dead letter of every topic contract, read by the contract's owner."""
    letters = []
    for contract in on.catalogue.topics.values():
        place = TopicPartition(contract.dead_letter_topic, 0)
        consumer = open_consumer(on.connection(contract.owner))
        try:
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            end = consumer.end_offsets([place])[place]
            while consumer.position(place) < end:
                for records in consumer.poll(500).values():
                    letters += [read_dead_letter(one.key, one.value, one.headers) for one in records]
        finally:
            consumer.close()
    return letters


def read_usage(on: Stage, history: History) -> None:
    """What was metered of each feed in the transactions that delivered it, as usage reads it."""
    with closing(Book(on.home / "usage.sqlite")) as book:
        catch_up(on.connection(USAGE_PRINCIPAL), book)
        for entry in book.entries():
            history.metered[entry.feed] = history.metered.get(entry.feed, Metered()) + entry.metered


def read_accounts(on: Stage) -> list[accounts.Row]:
    """What the lanes say became of every record, as the administrator."""
    with closing(open_reader(on.connection(ADMIN), "demo")) as reader:
        return accounts.read_accounts(reader, on.lanes)
