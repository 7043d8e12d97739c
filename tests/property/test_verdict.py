"""The verdict finds every way in which a lane may differ from its oracle: each is planted in a good run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.property.verdict import compare, follow

from gebus.plan import lanes
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.oracle import Oracle
from gebus.testing.topology import SOURCE_SCHEMA_ID, Delivery, Topology, token_key

STEPS = [
    {"deduplicate": {"name": "once", "of": "e", "key": ["event_id"], "within": "1d"}},
    {"where": {"name": "some", "when": "e.x > 1"}},
    {"select": {"name": "out", "fields": {"x": "e.x"}}},
]


@pytest.fixture
def good() -> tuple[Topology, Oracle]:
    """A run with records delivered, filtered, repeated and dead."""
    event = build.event_schema("Report", [{"name": "x", "type": "int"}])
    catalogue = build.catalogue(event, [build.feed(STEPS)])
    lane = lanes(catalogue)[0]
    topology, oracle = Topology(lane), Oracle(catalogue, token_key)
    oracle.know_schema(SOURCE_SCHEMA_ID, lane.inputs[0].schema)
    for index, status in enumerate(["ASSERTED", "ASSERTED", "MAYBE", "CORRECTED", "ASSERTED"]):
        record = {"event_id": f"e{index % 4}", "entity_id": "shop", "revision": 0, "status": status, "x": index + 1}
        times = {"occurred_at": START_MS, "published_at": START_MS, "source": "jd", "region": "420100"}
        topology.publish(record | times, "jd")
    topology.run()
    return topology, follow(topology, oracle)


def test_a_good_run_passes(good: tuple[Topology, Oracle]) -> None:
    compare(*good)
    assert {name: count for name, count in good[0].accounts()["cdc/dear"].items() if count} == {
        "taken": 5,
        "delivered": 2,
        "filtered": 1,
        "duplicate": 1,
        "dead": 1,
    }


def _lost(topology: Topology) -> None:
    topology.committed.delivered.pop()


def _twice(topology: Topology) -> None:
    topology.committed.delivered.append(topology.committed.delivered[-1])


def _swapped(topology: Topology) -> None:
    topology.committed.delivered.reverse()


def _changed(topology: Topology) -> None:
    feed, delivery = topology.committed.delivered[0]
    topology.committed.delivered[0] = (feed, Delivery(delivery.key, {**delivery.record, "x": 99}))


def _rekeyed(topology: Topology) -> None:
    feed, delivery = topology.committed.delivered[0]
    topology.committed.delivered[0] = (feed, Delivery(b"other", delivery.record))


def _not_taken(topology: Topology) -> None:
    topology.committed.script.pop()


def _dead_forgotten(topology: Topology) -> None:
    topology.committed.dead.clear()


def _dead_misnamed(topology: Topology) -> None:
    topology.committed.dead[0] = replace(topology.committed.dead[0], reason="bad_region")


def _miscounted(topology: Topology) -> None:
    accounts: Any = topology.accounts_by_topic()
    accounts["cdc/dear", "market.price_report.jd"]["filtered"] += 1
    topology.accounts_by_topic = lambda: accounts  # type: ignore[method-assign]  # the planted violation


@pytest.mark.parametrize(
    "plant",
    [_lost, _twice, _swapped, _changed, _rekeyed, _not_taken, _dead_forgotten, _dead_misnamed, _miscounted],
)
def test_a_planted_violation_is_found(good: tuple[Topology, Oracle], plant: Callable[[Topology], None]) -> None:
    plant(good[0])
    with pytest.raises(AssertionError):
        compare(*good)
