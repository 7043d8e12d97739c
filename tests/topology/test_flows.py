"""The joined and reconciled feeds of the catalogue in memory: what they hold in the end, against a count by hand.

Invented journeys, passengers, queries, penalties, shops, clinics and counts in a random order of all parties, with
their repeats, corrections, retractions and numbers typed wrongly, over rollbacks, crashes and snapshots: planner and
kernel as they run, no broker.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gebus.catalogue import load
from gebus.cli._demo.history import Told
from gebus.cli._demo.relations import RELATED, held
from gebus.model.catalogue import Catalogue
from gebus.plan import lanes
from gebus.testing.topology import Topology
from gebus_connectors.sources.generator import GeneratorConfig, GeneratorSource
from gebus_connectors.sources.reading import Event

ROOT = Path(__file__).parents[2]
EVENTS = 60
"""Of each party and topic."""
BATCH = 40


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(ROOT / "schemas")


def _events(catalogue: Catalogue, numbers: random.Random) -> Iterator[tuple[str, Event]]:
    """What every party says, each in its order, the parties mixed at random."""
    topics = {topic for feed in RELATED for topic in catalogue.feeds[feed].sources.values()}
    said = [
        [
            (party, reading)
            for reading in GeneratorSource(GeneratorConfig(party, topic, events=EVENTS)).read()
            if isinstance(reading, Event)
        ]
        for topic in sorted(topics)
        for party in catalogue.topics[topic].publishers
    ]
    order = [index for index, events in enumerate(said) for _ in events]
    numbers.shuffle(order)
    parts = [iter(events) for events in said]
    for index in order:
        yield next(parts[index])


@pytest.mark.parametrize("seed", [1, 2])
def test_feeds_hold_what_stands_whatever_came_first(catalogue: Catalogue, seed: int) -> None:
    numbers = random.Random(seed)
    topology = Topology(lanes(catalogue))
    told: list[Told] = []
    for party, event in _events(catalogue, numbers):
        topology.clock.advance(numbers.choice([0, 0, 7, 1000]))
        record = event.at(topology.clock.now_ms)
        topology.publish(record, party, to=event.topic)
        told.append(Told(party, event.topic, record, 0, len(told)))
        if len(told) % BATCH == 0:
            topology.step()
            numbers.choice((topology.commit, topology.rollback, topology.crash, topology.snapshot))()
            topology.run()
    topology.run()
    for feed, (fields, standing) in RELATED.items():
        wanted, got = Counter(standing(told)), held(topology.delivered(feed), fields)
        assert wanted == got, (feed, list((wanted - got).items())[:2], list((got - wanted).items())[:2])
        assert wanted
    assert topology.committed.dead == []
