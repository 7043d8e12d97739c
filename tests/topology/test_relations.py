"""Feeds of several sources in memory: joins over rekeyed sources, reconcile, corrections, and what time brings."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gebus.model.errors import GebusError
from gebus.plan import lanes
from gebus.testing import build
from gebus.testing.clock import START_MS, ManualClock
from gebus.testing.topology import Topology

DAY_MS = 86_400_000
TRIP, SEAT = "health.trip", "travel.seat"
FIELDS = [{"name": "carrier", "type": "string"}, {"name": "row", "type": "int"}]
NEAR = {"where": {"name": "near", "when": "abs(trip.row - seat.row) <= 3"}}
OUT = {"select": {"name": "out", "fields": {"trip_row": "trip.row", "seat_row": "seat.row"}}}


def join(**changes: Any) -> dict[str, Any]:
    values = {
        "name": "same-flight",
        "left": "trip",
        "right": "seat",
        "on": ["carrier"],
        "within": "14d",
        "matches": "each-pair",
        "unmatched": "wait",
        "broadcast": "none",
        "most": 1000,
    }
    return {"join": values | changes}


def topology(*steps: dict[str, Any], corrections: str = "follow", kept: str = "1d", **sources: str) -> Topology:
    """Trips are keyed by their carrier, seats by their entity, so that the seats are rekeyed."""
    sources = sources or {"trip": TRIP, "seat": SEAT}
    feed = build.feed(steps, sources=sources, corrections=corrections, retention=kept)
    trip = build.topic_contract(TRIP, key=("carrier",), partitions=3)
    catalogue = build.catalogue(
        build.event_schema("Trip", FIELDS),
        [feed],
        trip,
        more=[(build.topic_contract(SEAT), build.event_schema("Seat", FIELDS))],
    )
    return Topology(lanes(catalogue), ManualClock())


def publish(lane: Topology, to: str, entity: str, row: int, *, revision: int = 0, **changes: Any) -> None:
    """One record, a second after what was before."""
    lane.clock.advance(1000)
    record: dict[str, Any] = {
        "event_id": f"{entity}.{revision}",
        "entity_id": entity,
        "revision": revision,
        "status": "CORRECTED" if revision else "ASSERTED",
        "occurred_at": lane.clock.now_ms,
        "published_at": lane.clock.now_ms,
        "source": "jd",
        "region": "420100",
        "carrier": "MU1",
        "row": row,
    }
    record |= changes
    lane.publish(record, record["source"], to=to)


def held(lane: Topology) -> list[tuple[str, Any, Any]]:
    """Of each delivered record its status and rows."""
    records = lane.delivered("cdc/dear")
    return [(record["status"], record.get("trip_row"), record.get("seat_row")) for record in records]


def counts(lane: Topology) -> dict[str, int]:
    return {name: count for name, count in lane.accounts()["cdc/dear"].items() if count}


@pytest.mark.parametrize("first", [TRIP, SEAT])
@pytest.mark.parametrize("interruption", ["commit", "rollback", "crash", "snapshot"])
def test_either_side_comes_first_over_any_interruption(first: str, interruption: str) -> None:
    lane = topology(join(), NEAR, OUT)
    assert [plan.name for plan in lane.lanes] == ["health.trip-travel.seat.by.carrier.3.moves", "travel.seat"]
    for to in (first, SEAT if first == TRIP else TRIP):
        publish(lane, to, to, 12 if to == TRIP else 14)
        lane.step()
        getattr(lane, interruption)()
        lane.run(1)
        lane.crash()
    assert held(lane) == [("ASSERTED", 12, 14)]
    assert counts(lane) == {"taken": 2, "delivered": 1, "waiting": 1}


def test_each_record_is_in_the_accounts_of_its_topic() -> None:
    lane = topology(join(), NEAR, OUT)
    for number in range(3):
        publish(lane, SEAT, f"s{number}", 10 * number)
        lane.run()
    publish(lane, TRIP, "t", 1)
    lane.run()
    got = {topic: dict(+counts) for (feed, topic), counts in lane.accounts_by_topic().items() if feed == "cdc/dear"}
    assert got[f"{TRIP}.jd"] == {"taken": 1, "more": 2, "delivered": 1, "filtered": 2}
    assert got["gebus.rekey.travel.seat.by.carrier.3.moves"] == {"taken": 3, "waiting": 3}


def test_a_correction_follows_through_the_join_and_a_move_takes_its_pairs_back() -> None:
    lane = topology(join(), NEAR, OUT)
    publish(lane, TRIP, "t", 12)
    publish(lane, SEAT, "s", 14)
    lane.run()
    publish(lane, SEAT, "s", 13, revision=1)
    lane.run()
    publish(lane, SEAT, "s", 30, revision=2)
    lane.run()
    publish(lane, SEAT, "s", 12, revision=3)
    lane.run()
    publish(lane, SEAT, "s", 11, revision=4, carrier="MU2")
    lane.run()
    assert held(lane) == [
        ("ASSERTED", 12, 14),
        ("CORRECTED", 12, 13),
        ("RETRACTED", 12, 13),
        ("CORRECTED", 12, 12),
        ("RETRACTED", 12, 12),
    ]


def test_a_retraction_is_told_to_whom_it_concerns_alone() -> None:
    lane = topology(join(), NEAR, OUT)
    publish(lane, TRIP, "t", 12)
    publish(lane, SEAT, "near", 14)
    publish(lane, SEAT, "far", 40)
    lane.run()
    publish(lane, TRIP, "t", 12, revision=1, status="RETRACTED")
    lane.run()
    assert held(lane) == [("ASSERTED", 12, 14), ("RETRACTED", 12, 14)]


def test_what_matched_nothing_is_told_when_its_time_is_over() -> None:
    lane = topology(join(unmatched="both"), OUT, corrections="independent")
    publish(lane, TRIP, "t", 12)
    publish(lane, SEAT, "s", 14, carrier="MU2")
    lane.run()
    lane.clock.at(START_MS + 14 * DAY_MS)
    lane.tick()
    lane.commit()
    assert held(lane) == []
    lane.clock.advance(10_000)
    lane.tick()
    lane.rollback()
    lane.tick()
    lane.commit()
    lane.crash()
    lane.tick()
    lane.commit()
    assert sorted(held(lane), key=repr) == [("ASSERTED", 12, None), ("ASSERTED", None, 14)]
    assert counts(lane) == {"taken": 2, "more": 2, "waiting": 2, "delivered": 2}


def test_one_match_too_many_is_a_dead_letter_of_the_step() -> None:
    lane = topology(join(most=2), OUT)
    for number in range(3):
        publish(lane, TRIP, f"t{number}", number)
    publish(lane, SEAT, "s", 0)
    lane.run()
    assert [(dead.reason, dead.place) for dead in lane.committed.dead] == [
        ("too_many_matches", "cdc/dear: same-flight")
    ]
    detail = lane.committed.dead[0].detail
    assert "side `trip` remembers as many records of its key as `most` allows, 2," in detail
    assert hashlib.sha256(b"MU1").hexdigest()[:8] in detail
    assert "MU1" not in detail
    assert held(lane) == [("ASSERTED", 0, 0), ("ASSERTED", 1, 0)]
    assert counts(lane) == {"taken": 4, "more": 1, "delivered": 2, "waiting": 2, "dead": 1}


def test_a_broadcast_side_meets_the_records_of_every_slice() -> None:
    lane = topology(join(broadcast="right", on=["row"]), OUT)
    publish(lane, SEAT, "s", 7)
    lane.run()
    for number in range(6):
        publish(lane, TRIP, f"t{number}", 7, carrier=f"MU{number}")
    lane.run()
    assert held(lane) == [("ASSERTED", 7, 7)] * 6
    assert len({delivery.key for _, delivery in lane.committed.delivered}) == 6


def test_the_order_between_topics_is_that_of_the_log() -> None:
    """The trip was appended first, whatever is published to the test's log first."""
    results = []
    for order in (1, -1):
        lane = topology(join(matches="latest", unmatched="left"), OUT)
        records = [(TRIP, "t", 12), (SEAT, "s", 14)][::order]
        for to, entity, row in records:
            lane.clock.at(START_MS + (0 if to == TRIP else 5000))
            publish(lane, to, entity, row)
        lane.run()
        results.append(held(lane))
    assert results == [[("ASSERTED", 12, None), ("CORRECTED", 12, 14)]] * 2


def test_the_winner_and_its_correction() -> None:
    reconcile = {
        "name": "best",
        "of": "seat",
        "key": ["carrier"],
        "authority": ["tmall", "jd"],
        "within": "90d",
        "compare": ["row"],
        "gives": "winner",
        "most": 16,
    }
    lane = topology(
        {"reconcile": reconcile}, {"select": {"name": "out", "fields": {"seat_row": "seat.row"}}}, seat=SEAT
    )
    publish(lane, SEAT, "a", 1)
    publish(lane, SEAT, "b", 2, source="tmall")
    publish(lane, SEAT, "b", 2, source="tmall", revision=1, status="RETRACTED")
    publish(lane, SEAT, "a", 1, revision=1, status="RETRACTED")
    lane.run()
    assert held(lane) == [
        ("ASSERTED", None, 1),
        ("CORRECTED", None, 2),
        ("CORRECTED", None, 1),
        ("RETRACTED", None, 1),
    ]


def test_a_record_must_name_its_contract_where_there_are_several() -> None:
    lane = topology(join(), OUT)
    with pytest.raises(GebusError, match=r"no contract named: the lanes read health.trip, travel.seat; name one of"):
        lane.publish({}, "jd")
    with pytest.raises(GebusError, match=r"travel.train: the lanes read health.trip, travel.seat; name one of them"):
        lane.publish({}, "jd", to="travel.train")


def test_what_cannot_be_taken_yet_holds_up_its_slice_alone_and_nothing_overtakes_it() -> None:
    lane = topology(join(), OUT)
    lines = {}
    for number in range(20):
        trip = {"carrier": f"MU{number}", "row": number}
        publish(lane, TRIP, f"t{number}", number, carrier=trip["carrier"])
        lines[lane.log.messages[-1].partition()] = trip["carrier"]
    lane.run()
    assert set(lines) == {0, 1, 2}
    key = lines[0].encode()
    lane.publish_bytes(key, b"\0\0\0\0\x63anything", "jd", to=TRIP)
    for line in (lines[0], lines[1]):
        publish(lane, SEAT, f"s-{line}", 3, carrier=line)
    lane.run()
    assert set(lane.blocked.values()) == {"unknown_schema"}
    assert [record["seat_row"] for record in lane.delivered("cdc/dear")] == [3], "that of the other slice"
    lane.crash()
    lane.refuse_schema(99, "foreign_schema", of=TRIP)
    lane.run()
    assert [dead.reason for dead in lane.committed.dead] == ["foreign_schema"]
    assert [record["seat_row"] for record in lane.delivered("cdc/dear")] == [3, 3]


def test_what_can_no_longer_match_is_dropped_and_counted() -> None:
    lane = topology(join(within="1h"), OUT, kept="1h")
    for number in range(10):
        publish(lane, TRIP, f"t{number}", number)
    lane.run()

    def entries() -> int:
        return sum(count for _, _, table, count, _ in lane.kernel.state_size() if table.endswith(".left"))

    assert entries() == 10
    lane.clock.advance(2 * 3_600_000)
    lane.forget()
    assert entries() == 0
    publish(lane, SEAT, "s", 1)
    lane.run()
    assert held(lane) == []
