"""How sources come to their lane: as they are, rekeyed or broadcast, and which lanes share what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.plan.journeys import (
    ON,
    OUT,
    deduplicate,
    join,
    joined,
    reconcile,
    reconciled,
    seats,
    select,
    trips,
    world,
)

from gebus.plan import LanePlan, lanes, rekeys

REKEYED = "travel.seat.by.carrier_no.service_date.4"
FOURTEEN_DAYS = 14 * 86_400_000
ROW = select(row="seat.row")


def by_name(*feeds: Any, **contracts: Any) -> dict[str, LanePlan]:
    return {lane.name: lane for lane in lanes(world(*feeds, **contracts))}


def inputs_of(lane: LanePlan) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(part.name, part.key, part.internal) for part in lane.inputs]


def test_a_side_of_another_key_is_rekeyed_to_the_partitions_of_the_other() -> None:
    plans = by_name(joined(join(), OUT))
    assert list(plans) == [f"health.case_trip-{REKEYED}", "travel.seat"]
    lane = plans[f"health.case_trip-{REKEYED}"]
    assert inputs_of(lane) == [("health.case_trip", ON, False), (REKEYED, ON, True)]
    assert (lane.partitions, lane.ordered) == (4, True)
    assert lane.inputs[1].topics == {f"gebus.rekey.{REKEYED}": ""}
    assert lane.inputs[1].contract == "travel.seat"


def test_the_lane_of_the_contract_writes_the_copy_though_it_has_no_feed() -> None:
    own = by_name(joined(join(), OUT))["travel.seat"]
    assert (own.feeds, own.partitions, own.ordered) == ((), 2, True)
    assert json.loads(own.to_kernel())["rekeys"] == [
        {
            "name": REKEYED,
            "topic": f"gebus.rekey.{REKEYED}",
            "source": 0,
            "key": list(ON),
            "partitions": 4,
            "all": False,
            "moves_ms": None,
        }
    ]


def test_followers_share_a_copy_that_remembers_moves_as_long_as_the_longest_of_them() -> None:
    feeds = [
        joined(join(), OUT, name="a"),
        joined(join(within="3d"), OUT, name="b", corrections="follow"),
        joined(join(within="14d"), OUT, name="c", corrections="follow"),
        reconciled(ROW, name="plain"),
    ]
    plans = by_name(*feeds)
    plain, following = plans["travel.seat"].rekeys
    assert (plain.name, plain.moves_ms) == (REKEYED, None)
    assert (following.name, following.moves_ms) == (f"{REKEYED}.moves", FOURTEEN_DAYS)
    assert [plan.name for plan in plans["travel.seat"].feeds] == ["cdc/plain"]
    assert [plan.name for plan in plans[f"health.case_trip-{REKEYED}"].feeds] == ["cdc/a"]
    assert [plan.name for plan in plans[f"health.case_trip-{REKEYED}.moves"].feeds] == ["cdc/b", "cdc/c"]


def test_contracts_of_one_key_and_as_many_partitions_meet_as_they_are() -> None:
    (lane,) = by_name(joined(join(), OUT), seat=seats(key=ON, partitions=4)).values()
    assert inputs_of(lane) == [("health.case_trip", ON, False), ("travel.seat", ON, False)]


def test_a_key_that_is_a_part_of_on_is_enough() -> None:
    alone = ("carrier_no",)
    (lane,) = by_name(joined(join(), OUT), trip=trips(key=alone), seat=seats(key=alone, partitions=4)).values()
    assert lane.name == "health.case_trip-travel.seat"


def test_of_contracts_with_other_partitions_the_right_one_is_rekeyed() -> None:
    plans = by_name(joined(join(), OUT), seat=seats(key=ON, partitions=2))
    assert list(plans) == [f"health.case_trip-{REKEYED}", "travel.seat"]


def test_both_sides_are_rekeyed_where_neither_has_the_key() -> None:
    plans = by_name(joined(join(), OUT), trip=trips(key=("entity_id",)))
    assert list(plans) == [
        "health.case_trip",
        "health.case_trip.by.carrier_no.service_date.4-travel.seat.by.carrier_no.service_date.4",
        "travel.seat",
    ]
    assert [copy.name for copy in rekeys(plans.values())] == [
        "health.case_trip.by.carrier_no.service_date.4",
        REKEYED,
    ]
    assert rekeys(plans.values())[1].retention == timedelta(days=30)


def test_the_order_of_on_is_that_of_a_contract_key() -> None:
    """Kafka's keys of both sides must be the same bytes."""
    plans = by_name(joined(join(on=ON[::-1]), OUT))
    lane = plans[f"health.case_trip-{REKEYED}"]
    relation = lane.feeds[0].relation
    assert relation is not None
    assert relation.to_json()["on"] == ON


def test_a_broadcast_side_is_copied_to_every_slice_of_the_other() -> None:
    feed = joined(join(broadcast="right"), OUT, corrections="follow")
    plans = by_name(feed, trip=trips(key=("entity_id",)))
    lane = plans["health.case_trip-travel.seat.to-all.4"]
    assert inputs_of(lane)[1] == ("travel.seat.to-all.4", ("entity_id",), True)
    (copy,) = plans["travel.seat"].rekeys
    assert (copy.all, copy.partitions, copy.moves_ms, copy.key) == (True, 4, None, ("entity_id",))


def test_the_left_side_can_be_broadcast_too() -> None:
    assert "health.case_trip.to-all.2-travel.seat" in by_name(joined(join(broadcast="left"), OUT))


def test_a_reconcile_whose_key_holds_the_contract_key_lives_in_its_lane() -> None:
    (lane,) = by_name(reconciled(reconcile(), ROW), reconciled(ROW, name="plain")).values()
    assert (lane.name, lane.ordered, len(lane.feeds)) == ("travel.seat", True, 2)


def test_a_reconcile_by_other_fields_is_rekeyed_and_hears_of_moves() -> None:
    plans = by_name(reconciled(reconcile(key=("carrier_no",)), ROW))
    assert list(plans) == ["travel.seat", "travel.seat.by.carrier_no.2.moves"]
    assert plans["travel.seat"].rekeys[0].moves_ms == 90 * 86_400_000
    assert plans["travel.seat.by.carrier_no.2.moves"].feeds[0].source == 0


def test_following_corrections_alone_makes_a_lane_ordered() -> None:
    (lane,) = by_name(reconciled(ROW, corrections="follow", retention="9d")).values()
    assert lane.ordered
    assert lane.feeds[0].follow_ms == lane.remembers_ms == 9 * 86_400_000


def test_an_input_is_equal_in_all_lanes_that_name_it() -> None:
    plans = by_name(joined(join(), OUT), build_trips_alone())
    assert plans["health.case_trip"].inputs[0] == plans[f"health.case_trip-{REKEYED}"].inputs[0]


def build_trips_alone() -> Any:
    return joined(select(row="trip.row"), name="trips", sources={"trip": "health.case_trip"})


def test_a_lane_remembers_as_long_as_its_longest_memory() -> None:
    steps = (deduplicate("trip", "event_id"), join(within="3d"), OUT)
    plans = by_name(joined(*steps))
    assert plans[f"health.case_trip-{REKEYED}"].remembers_ms == FOURTEEN_DAYS
    assert plans["travel.seat"].remembers_ms == 0


def test_a_first_deduplicate_of_a_side_is_shared_under_the_name_of_its_input() -> None:
    steps = (deduplicate("trip", "event_id"), deduplicate("seat", "event_id"), join(), OUT)
    lane = by_name(joined(*steps, name="a"), joined(*steps, name="b"))[f"health.case_trip-{REKEYED}"]
    assert [(table.name, table.source) for table in lane.tables] == [
        ("health.case_trip.event_id.14d", 0),
        (f"{REKEYED}.event_id.14d", 1),
    ]


@pytest.mark.parametrize("broadcast", ["none", "left", "right"])
@pytest.mark.parametrize("on", [ON, ON[::-1], ON[:1]])
@pytest.mark.parametrize("left", [ON, ON[::-1], ON[:1], ("entity_id",)])
@pytest.mark.parametrize("right", [ON, ON[::-1], ON[:1], ("entity_id",)])
@pytest.mark.parametrize("partitions", [2, 4])
def test_records_that_agree_meet_in_one_slice(
    partitions: int, right: tuple[str, ...], left: tuple[str, ...], on: tuple[str, ...], broadcast: str
) -> None:
    """Whatever the contracts are keyed by: the same Kafka key on both sides, out of `on`, and as many partitions."""
    contracts = {"trip": trips(key=left), "seat": seats(key=right, partitions=partitions)}
    plans = lanes(world(joined(join(on=on, broadcast=broadcast), OUT), **contracts))
    lane = next(lane for lane in plans if lane.feeds)
    written = {copy.name: copy for copy in rekeys(plans)}
    own = {"health.case_trip": 4, "travel.seat": partitions}
    for part in lane.inputs:
        assert lane.partitions == (written[part.name].partitions if part.internal else own[part.name])
        assert not part.internal or written[part.name].key == part.key
    if broadcast == "none":
        assert lane.inputs[0].key == lane.inputs[1].key
        assert set(lane.inputs[0].key) <= set(on)
    else:
        assert [written[part.name].all for part in lane.inputs if part.internal] == [True]
    assert set(written) == {part.name for part in lane.inputs if part.internal}
