"""What a relation is given and makes: the fields of its sides, its composite record, and later steps on that."""

from __future__ import annotations

import json
from typing import Any

import fastavro
from tests.unit.plan.journeys import (
    ON,
    OUT,
    deduplicate,
    join,
    joined,
    reconcile,
    reconciled,
    select,
    where,
    world,
)

from gebus.model.event import ENVELOPE
from gebus.model.feed import Feed
from gebus.plan import FeedPlan, JoinPlan, LanePlan, ReconcilePlan, explain, lanes, render

DAY_MS = 86_400_000


def planned(feed: Feed) -> tuple[LanePlan, FeedPlan]:
    lane = next(lane for lane in lanes(world(feed)) if lane.feeds)
    return lane, lane.feeds[0]


def as_join(feed: Feed) -> JoinPlan:
    relation = planned(feed)[1].relation
    assert isinstance(relation, JoinPlan)
    return relation


def as_reconcile(feed: Feed) -> ReconcilePlan:
    relation = planned(feed)[1].relation
    assert isinstance(relation, ReconcilePlan)
    return relation


def sent(feed: Feed) -> Any:
    """The feed as the kernel is told of it."""
    lane, _ = planned(feed)
    return json.loads(lane.to_kernel())["feeds"][0]


def composite(feed: Feed) -> dict[str, Any]:
    """The fields of the composite record by name; it is valid Avro."""
    schema = sent(feed)["relation"]["schema"]
    fastavro.parse_schema(json.loads(json.dumps(schema)))
    assert [(field["name"], field["type"]) for field in schema["fields"]][:8] == list(ENVELOPE.items())
    return {field["name"]: field["type"] for field in schema["fields"][8:]}


def test_a_side_keeps_what_is_used_of_it_in_the_order_of_its_schema() -> None:
    near = where("seat.home.startsWith('42') && trip.row < 3")
    once = deduplicate("same-journey", "trip.event_id", "seat.passenger_id")
    relation = as_join(joined(join(), near, once, OUT))
    assert relation.left.fields == (*ENVELOPE, "carrier_no", "service_date", "row")
    assert relation.right.fields == (*ENVELOPE, "seat", "carrier_no", "service_date", "passenger_id", "home")


def test_what_only_steps_before_the_join_use_is_not_kept() -> None:
    feed = joined(where("seat.home == '420100'", of="seat"), join(), OUT)
    assert "home" not in as_join(feed).right.fields


def test_what_the_policy_drops_is_kept_for_another_day() -> None:
    """A store without it would not fit once the policy passes the field."""
    feed = joined(join(), select(case="trip.case_id"), tier=1)
    assert "case_id" in as_join(feed).left.fields
    assert "case" not in [field["name"] for field in sent(feed)["select"]["fields"]]


def test_a_composite_record_holds_a_record_for_each_side() -> None:
    sides = composite(joined(join(), OUT))
    assert list(sides) == ["trip", "seat"]
    assert [field["name"] for field in sides["seat"]["fields"]] == [*ENVELOPE, "seat", *ON]


def test_a_side_that_may_be_missing_may_be_null() -> None:
    for unmatched, missing in (("wait", []), ("left", ["seat"]), ("right", ["trip"]), ("both", ["trip", "seat"])):
        sides = composite(joined(join(unmatched=unmatched), OUT))
        assert [name for name, kind in sides.items() if isinstance(kind, list)] == missing


def test_fields_of_a_side_that_may_be_missing_may_be_null_however_they_are_masked() -> None:
    fields: dict[str, Any] = {
        "row": "seat.row",
        "seat_no": "seat.seat",
        "who": "seat.passenger_id",
        "home": "seat.home",
        "band": {"of": "seat.row", "mask": {"generalise": {"band": 5}}},
        "trip_row": "trip.row",
    }
    feed = joined(join(unmatched="left"), select(**fields), tier=2)
    assert [(field["name"], field["path"], field["type"]) for field in sent(feed)["select"]["fields"]][8:] == [
        ("row", ["seat", "row"], ["null", "int"]),
        ("seat_no", ["seat", "seat"], ["null", "string"]),
        ("who", ["seat", "passenger_id"], ["null", "string"]),
        ("home", ["seat", "home"], ["null", "string"]),
        ("band", ["seat", "row"], ["null", "int"]),
        ("trip_row", ["trip", "row"], "int"),
    ]


def test_each_field_is_masked_by_the_classification_of_its_own_source() -> None:
    feed = joined(
        join(), select(case="trip.case_id", row="trip.row", who="seat.passenger_id", of="seat.event_id"), tier=2
    )
    _, plan = planned(feed)
    outcomes = {field.name: (field.outcome.words, field.outcome.decided_by) for field in plan.fields}
    assert outcomes["case"] == outcomes["who"] == ("keyed token", "policy")
    assert outcomes["row"] == ("in clear", "policy")
    assert outcomes["event_id"] == outcomes["of"] == ("in clear", "envelope")
    written = {field["name"]: field for field in plan.output_schema["fields"]}
    assert written["who"]["classification"] == 3
    assert written["of"]["classification"] == 1


def test_the_envelope_of_a_pair_is_that_of_the_composite_record() -> None:
    fields = sent(joined(join(), OUT))["select"]["fields"]
    assert [field["path"] for field in fields[:8]] == [[name] for name in ENVELOPE]


def test_conditions_after_a_join_go_through_the_sides() -> None:
    (step,) = sent(joined(join(), where("trip.row - seat.row <= 3"), OUT))["steps"]
    left, right = step["when"]["args"][0]["args"]
    assert (left["path"], right["path"]) == (["trip", "row"], ["seat", "row"])


def test_steps_before_a_join_belong_to_their_side() -> None:
    steps = [deduplicate("seat", "event_id"), where("trip.row < 3", of="trip"), where("seat.row < 3", "seat", "low")]
    relation = sent(joined(*steps, join(), OUT))["relation"]
    assert [step["name"] for step in relation["left"]["steps"]] == ["near"]
    assert [step["name"] for step in relation["right"]["steps"]] == ["once-seat", "low"]
    assert relation["left"]["steps"][0]["when"]["args"][0]["path"] == ["row"]


def test_a_deduplicate_after_a_join_has_a_table_of_its_feed() -> None:
    lane, plan = planned(joined(join(), deduplicate("same-journey", "seat.event_id", "trip.row"), OUT))
    (table,) = lane.tables
    assert table.to_json() == {
        "name": "cdc/dear.once-same-journey",
        "source": None,
        "feed": "cdc/dear",
        "key": ("seat.event_id", "trip.row"),
        "window_ms": 14 * DAY_MS,
    }
    assert plan.source is None


def test_a_join_in_the_kernels_words() -> None:
    changes = {"matches": "valid-at", "unmatched": "left", "within": "2d", "most": 7}
    relation = sent(joined(join(**changes), OUT, corrections="follow"))["relation"]
    told = {key: relation[key] for key in relation if key not in ("left", "right", "schema")}
    assert told == {
        "kind": "join",
        "name": "same-journey",
        "state": "cdc/dear.same-journey",
        "on": list(ON),
        "within_ms": 2 * DAY_MS,
        "matches": "valid-at",
        "unmatched": "left",
        "broadcast": "none",
        "most": 7,
        "follow": True,
    }
    assert (relation["left"]["source"], relation["right"]["source"]) == (0, 1)


def test_a_reconcile_in_the_kernels_words() -> None:
    feed = sent(reconciled(reconcile(), select(row="seat.row"), retention="9d", corrections="follow"))
    told = {key: value for key, value in feed["relation"].items() if key not in ("of", "schema")}
    assert told == {
        "kind": "reconcile",
        "name": "best",
        "state": "cdc/dear.best",
        "key": ["entity_id"],
        "authority": ["jd"],
        "within_ms": 90 * DAY_MS,
        "compare": ["row"],
        "gives": "winner",
        "most": 16,
    }
    assert (feed["source"], feed["relation"]["of"]["source"], feed["follow_ms"]) == (0, 0, 9 * DAY_MS)


def test_a_winner_is_one_record() -> None:
    sides = composite(reconciled(reconcile(), select(row="seat.row")))
    assert list(sides) == ["seat"]


def test_a_conflict_shows_the_loser_the_winner_and_what_differs() -> None:
    fields = {"lost": "seat.row", "won": "winner.home", "in_what": "conflict.differs"}
    feed = reconciled(
        reconcile(gives="conflicts", compare=("row", "home")),
        where("winner.row > seat.row && conflict.differs != 'home'"),
        select(**fields),
    )
    sides = composite(feed)
    assert list(sides) == ["seat", "winner", "differs"]
    assert sides["seat"]["fields"] == sides["winner"]["fields"]
    assert as_reconcile(feed).of.fields == (*ENVELOPE, "row", "home")
    assert [field["path"] for field in sent(feed)["select"]["fields"]][8:] == [
        ["seat", "row"],
        ["winner", "home"],
        ["differs"],
    ]


def test_what_differs_is_as_sensitive_as_what_is_compared() -> None:
    feed = reconciled(reconcile(gives="conflicts", compare=("row", "home")), select(a="conflict.differs"), tier=2)
    _, plan = planned(feed)
    assert (plan.fields[-1].source.level, plan.fields[-1].outcome.delivered) == (3, False)


def test_a_named_type_is_written_once_in_a_composite_record() -> None:
    from gebus.testing import build

    place = {"type": "record", "name": "Place", "fields": [{"name": "a", "type": "int"}]}
    event = build.event_schema("Seat", [{"name": "place", "type": place}, {"name": "row", "type": "int"}])
    feed = reconciled(reconcile(gives="conflicts"), select(a="seat.place", b="winner.place"))
    lane = next(lane for lane in lanes(world(feed, events=(event, event))) if lane.feeds)
    relation = lane.feeds[0].relation
    assert relation is not None
    fastavro.parse_schema(json.loads(json.dumps(relation.schema)))
    assert json.dumps(relation.schema).count('"name": "a"') == 1


def explained(feed: Feed) -> str:
    return render(explain(lanes(world(feed)), feed))


def test_explain_says_what_is_rekeyed_and_what_a_join_keeps() -> None:
    text = explained(joined(deduplicate("trip", "event_id"), join(), OUT, corrections="follow"))
    for line in (
        "  lane       health.case_trip-travel.seat.by.carrier_no.service_date.4.moves, 4 slices, its records taken in "
        "the order of the log's time over all topics\n",
        "  reads      gebus.rekey.travel.seat.by.carrier_no.service_date.4.moves, written by the lane travel.seat, "
        "kept 30d\n"
        "  copies     copied under this key to 4 partitions\n"
        "             a revision under another key than the one before it goes to both places\n"
        "  state      table moves/travel.seat.by.carrier_no.service_date.4.moves of the lane travel.seat, kept 14d\n",
        "  1 deduplicate once-trip of trip: the first of each event_id within 14d\n",
        "  2 join same-journey: each trip with each seat of the same carrier_no, service_date, at most 14d apart\n"
        "      waits: both sides, 14d each; either may come first\n"
        "      wins: none; each pair is told when its later record comes\n"
        "      unmatched: nothing is told of them\n",
        "      state: at most 1000 records of one key and side; beyond, a dead letter\n"
        "        table cdc/dear.same-journey.left, about 218 B an entry, kept 14d: of trip the envelope, carrier_no, "
        "service_date\n"
        "        table cdc/dear.same-journey.right, about 239 B an entry, kept 14d: of seat the envelope, seat, "
        "carrier_no, service_date\n",
        "Corrections: follow\n",
        "  state: what was delivered of each entity, for as long as the feed's topic keeps a record\n"
        "    table corrections/cdc/dear, about ",
    ):
        assert line in text


def test_explain_names_the_contract_whose_key_may_change_with_a_revision() -> None:
    text = explained(joined(join(), OUT, corrections="follow"))
    assert (
        "  not heard of: a revision of health.case_trip with another carrier_no or service_date than the last\n" in text
    )
    assert "a revision of travel.seat" not in text
    assert "not heard" not in explained(joined(join(), OUT))


def test_explain_says_which_row_of_a_table_wins() -> None:
    text = explained(joined(join(matches="latest", unmatched="left", broadcast="right"), OUT))
    assert "wins: the seat that came last" in text
    assert "unmatched: trip alone, at once\n" in text
    assert "copies     one copy to each of 4 partitions" in text
    text = explained(joined(join(matches="valid-at"), OUT, corrections="follow"))
    assert "wins: the seat valid when trip occurred" in text
    assert "unmatched: nothing is told of a trip without a seat in time" in text
    assert "a trip whose seat changes is told again" in text


def test_explain_says_who_wins_and_what_becomes_of_the_losers() -> None:
    text = explained(reconciled(reconcile(), select(row="seat.row")))
    assert "reconcile best: the winning assertion of each entity_id, whenever another one wins" in text
    assert "wins: the first of jd; then any other party; among equals the higher revision" in text
    text = explained(reconciled(reconcile(gives="conflicts", authority=()), select(row="seat.row")))
    assert "each losing assertion of the same entity_id that differs from the winning one in row" in text
    assert "wins: any party; among equals" in text
