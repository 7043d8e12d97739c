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

STEPS: list[dict[str, Any]] = [
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
    topology.committed.script.remove(topology.committed.taken[-1])


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


JOINED = [
    {
        "join": {
            "name": "both",
            "left": "trip",
            "right": "seat",
            "on": ["line"],
            "within": "1d",
            "matches": "each-pair",
            "unmatched": "wait",
            "broadcast": "none",
            "most": 2,
        }
    },
    {"select": {"name": "out", "fields": {"x": "seat.x"}}},
]


@pytest.fixture
def related() -> tuple[Topology, Oracle]:
    """A run with a pair, its correction, a move, a retraction, and one match too many."""
    event = build.event_schema("Report", [{"name": "line", "type": "string"}, {"name": "x", "type": "int"}])
    sources = {"trip": "health.trip", "seat": "travel.seat"}
    feed = build.feed(JOINED, sources=sources, corrections="follow")
    contracts = [build.topic_contract("health.trip", key=("line",)), build.topic_contract("travel.seat")]
    catalogue = build.catalogue(event, [feed], contracts[0], more=[(contracts[1], event)])
    topology, oracle = Topology(lanes(catalogue)), Oracle(catalogue, token_key)
    for encoder in topology.writers.values():
        oracle.know_schema(encoder.schema_id, encoder.schema)
    for number, (alias, entity, revision, line) in enumerate(
        [
            ("trip", "t", 0, "a"),
            ("seat", "s", 0, "a"),
            ("seat", "s", 1, "a"),
            ("seat", "s", 2, "b"),
            ("trip", "v", 0, "b"),
        ]
        + [("trip", f"u{number}", 0, "b") for number in range(2)]
    ):
        record = {
            "event_id": f"e{number}",
            "entity_id": entity,
            "revision": revision,
            "status": "ASSERTED",
            "x": number,
        }
        times = {"occurred_at": START_MS, "published_at": START_MS, "source": "jd", "region": "420100", "line": line}
        topology.publish(record | times, "jd", to=sources[alias])
        topology.run()
    topology.tick()
    topology.commit()
    return topology, follow(topology, oracle)


def test_a_good_run_of_relations_passes(related: tuple[Topology, Oracle]) -> None:
    compare(*related)
    statuses = [record["status"] for record in related[0].delivered("cdc/dear")]
    assert statuses == ["ASSERTED", "CORRECTED", "RETRACTED", "CORRECTED", "CORRECTED"]
    assert [letter.reason for letter in related[0].committed.dead] == ["too_many_matches"]


def _copy_lost(topology: Topology) -> None:
    topology.committed.copies.pop()


def _copy_twice(topology: Topology) -> None:
    topology.committed.copies.append(topology.committed.copies[-1])


def _copy_elsewhere(topology: Topology) -> None:
    topology.committed.copies[0] = replace(topology.committed.copies[0], key=b"other")


def _move_untold(topology: Topology) -> None:
    topology.committed.copies = [copy for copy in topology.committed.copies if copy is not topology.committed.copies[3]]


def _retraction_lost(topology: Topology) -> None:
    delivered = topology.committed.delivered
    topology.committed.delivered = [one for one in delivered if one[1].record["status"] != "RETRACTED"]


def _waiting_forgotten(topology: Topology) -> None:
    accounts: Any = topology.accounts_by_topic()
    accounts["cdc/dear", "health.trip.jd"]["waiting"] -= 1
    topology.accounts_by_topic = lambda: accounts  # type: ignore[method-assign]  # the planted violation


@pytest.mark.parametrize(
    "plant",
    [
        *(_lost, _twice, _swapped, _changed, _rekeyed, _not_taken, _dead_forgotten),
        *(_copy_lost, _copy_twice, _copy_elsewhere, _move_untold, _retraction_lost, _waiting_forgotten),
    ],
)
def test_a_planted_violation_of_relations_is_found(
    related: tuple[Topology, Oracle], plant: Callable[[Topology], None]
) -> None:
    plant(related[0])
    with pytest.raises(AssertionError):
        compare(*related)
