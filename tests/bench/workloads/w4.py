"""Workload W4: W1 with so many distinct events, repeats of any of them, and a tail for the time after a kill."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.bench.digest import Digest, Outcome
from tests.bench.source import FIRST_INSTANT, Chunk, Latest, Source, Target, topics
from tests.bench.template import Columns, Template, plain
from tests.bench.workloads import w1

_CHUNK = 20_000
_REGIONS = np.array(w1.regions(random.Random(1)), "S6")
_CATEGORIES = np.array([b"FOOD", b"MASK"])

Numbers = NDArray[np.int64]


def numbers_at(begin: int, end: int) -> Numbers:
    """Which event comes at each of these places: every tenth repeats any that came before, the others are new."""
    places = np.arange(begin, end)
    new = places - places // 10
    any_before = (np.random.default_rng([1, begin]).random(end - begin) * new).astype(np.int64)
    return np.where(places % 10 == 9, any_before, new)


def prices(numbers: Numbers) -> Numbers:
    """Those of W1 in another order: whoever begins anywhere soon meets a dear mask."""
    return 1_000 + numbers * 1_861 % 5_000


def columns_of(numbers: Numbers) -> dict[str, NDArray[Any]]:
    """The events with these numbers, as W1 has them, but for prices and addresses of eight digits."""
    return {
        "event_id": numbers,
        "entity_id": numbers * 7919 % 100_000,
        "occurred_at": FIRST_INSTANT + numbers,
        "published_at": FIRST_INSTANT + numbers + 40,
        "region": _REGIONS[numbers % 400],
        "category": _CATEGORIES[(numbers % 3 != 0).astype(np.int64)],
        "price_cents": prices(numbers),
        "reporter_phone": 13_800_000_000 + numbers % 100_000_000,
        "url": numbers,
    }


class Events:
    """The events of W4 in a topic, and what is to become of them; both grow."""

    def __init__(self, target: Target, topic: str, schema_id: int, feed_id: int) -> None:
        example = {**next(w1.reports(1)), "category": "MASK", "url": "https://item.example/00000000"}
        nobody = {**example, "reporter_name": None, "reporter_phone": None}
        self._target, self._topic = target, topic
        self._taken = Template(w1.SCHEMA, schema_id, example)
        self._delivered = Template(w1.SCHEMA, feed_id, nobody)
        self._digest, self._places, self._new = Digest(), 0, 0

    def publish(self, more: int) -> tuple[int, Outcome]:
        """Publish so many more; the number of all, and what is to become of all."""
        begin, end = self._places, self._places + more
        self._target.publish(self._chunks(begin, end))
        new = end - end // 10
        for start in range(self._new, new, _CHUNK):
            self._deliver(np.arange(start, min(start + _CHUNK, new)))
        self._places, self._new = end, new
        return end, Outcome(self._digest.count, self._digest.hex(), end - new)

    def _chunks(self, begin: int, end: int) -> Iterator[Chunk]:
        for start in range(begin, end, _CHUNK):
            filled = self._taken.fill(columns_of(numbers_at(start, min(start + _CHUNK, end))))
            yield self._topic, filled.keys("entity_id"), filled.values()

    def _deliver(self, numbers: Numbers) -> None:
        """W1 on new events: the masks among them that are dearer than 20 yuan."""
        dear = numbers[(numbers % 3 != 0) & (prices(numbers) > 2_000)]
        columns: Columns = {name: part for name, part in columns_of(dear).items() if name != "reporter_phone"}
        filled = self._delivered.fill(columns)
        for key, value in zip(filled.keys("entity_id"), filled.values(), strict=True):
            self._digest.add(key, value)


def fill(size: int, target: Target, latest: Latest, part: str = "") -> Source:
    """Publish events with `size` distinct ids and their repeats; a tail has a two-thousandth of that."""
    feed = latest(f"{w1.FEED}-value")
    (topic,) = topics(target, [w1.CONTRACT], part)
    events = Events(target, topic, latest(f"{w1.CONTRACT}-value").id, feed.id)
    count, expected = events.publish(size * 10 // 9)
    tail = partial(events.publish, max(200, size // 2_000))
    return Source((topic,), count, expected, (plain(w1.SCHEMA),), feed, tail=tail)
