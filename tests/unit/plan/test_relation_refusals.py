"""What a join, a reconcile or corrections cannot be, each with its place, what is allowed and what to do next."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.journeys import (
    ON,
    OUT,
    SOURCES,
    deduplicate,
    join,
    joined,
    reconcile,
    reconciled,
    seats,
    select,
    where,
    world,
)

from gebus.model.errors import PlanError
from gebus.model.feed import Feed
from gebus.plan import check, lanes, planner
from gebus.testing import build

ROW = select(row="seat.row")
Found = tuple[str, str, str, tuple[str | int, ...]]


class Lines:
    def __init__(self) -> None:
        self.asked: list[tuple[str | int, ...]] = []

    def line(self, file: str, path: tuple[str | int, ...]) -> int:
        assert file == "feeds/cdc/dear.yaml"
        self.asked.append(path)
        return len(self.asked)


def findings(feed: Feed, **contracts: Any) -> list[Found]:
    """What is found, allowed, next, and where."""
    places = Lines()
    found = check(world(feed, **contracts), places)
    return [(one.found, one.allowed, one.next_step, path) for one, path in zip(found, places.asked, strict=True)]


def in_join(*path: str | int) -> tuple[str | int, ...]:
    return ("steps", 0, "join", *path)


@pytest.mark.parametrize(
    ("changes", "path", "found", "allowed"),
    [
        ({"left": "journey"}, ("left",), "`journey` is no source of the feed", "trip, seat"),
        ({"right": "trip"}, (), "a join of `trip` and `trip` in a feed of trip, seat", "the two sources of the feed, "),
        ({"on": ("case_id",)}, ("on", 0), "`seat` has no field `case_id`", "fields that both sides have: carrier_no,"),
        ({"on": (*ON, "seat")}, ("on", 2), "`trip` has no field `seat`", "fields that both sides have: carrier_no,"),
        (
            {"on": ("berth",)},
            ("on", 0),
            "`berth` is of type int in `trip` and of type long in `seat`",
            "fields of the s",
        ),
        (
            {"on": ("maybe",)},
            ("on", 0),
            "`trip.maybe` is nullable",
            "fields of type string, int, long or date, never n",
        ),
        ({"on": ("occurred_at",)}, ("on", 0), "`trip.occurred_at` is of type timestamp-millis", "fields of type strin"),
        ({"on": ("carrier_no", "carrier_no")}, ("on", 1), "carrier_no is written twice", "each once"),
        (
            {"matches": "latest", "unmatched": "right"},
            ("unmatched",),
            "`unmatched: right` with `matches: latest`",
            "wai",
        ),
        (
            {"matches": "valid-at", "unmatched": "both"},
            ("unmatched",),
            "`unmatched: both` with `matches: valid-at`",
            "",
        ),
        (
            {"matches": "latest", "broadcast": "left"},
            ("broadcast",),
            "`broadcast: left` with `matches: latest`",
            "none",
        ),
        (
            {"broadcast": "right", "unmatched": "both"},
            ("unmatched",),
            "`unmatched: both` with `broadcast: right`",
            "wai",
        ),
        (
            {"broadcast": "left", "unmatched": "left"},
            ("unmatched",),
            "`unmatched: left` with `broadcast: left`",
            "wait ",
        ),
    ],
)
def test_a_join_that_cannot_be(changes: dict[str, Any], path: tuple[Any, ...], found: str, allowed: str) -> None:
    ((said, may, _, where_),) = findings(joined(join(**changes), OUT))
    assert said == f"same-journey: {found}"
    assert may.startswith(allowed)
    assert where_ == in_join(*path)


@pytest.mark.parametrize(
    ("changes", "path", "found", "allowed"),
    [
        ({"of": "trip"}, ("of",), "`trip` is no source of the feed", "seat"),
        ({"key": ("entity",)}, ("key", 0), "`seat` has no field `entity`", "event_id, entity_id, "),
        (
            {"key": ("maybe",)},
            ("key", 0),
            "`seat.maybe` is nullable",
            "fields of type string, int, long or date, never",
        ),
        ({"compare": ("rows",)}, ("compare", 0), "`seat` has no field `rows`", "event_id, "),
        ({"compare": ("row", "row")}, ("compare", 1), "row is written twice", "each once"),
        ({"authority": ("cdc",)}, ("authority", 0), "cdc is no publisher of travel.seat", "jd, tmall"),
    ],
)
def test_a_reconcile_that_cannot_be(changes: dict[str, Any], path: tuple[Any, ...], found: str, allowed: str) -> None:
    ((said, may, _, where_),) = findings(reconciled(reconcile(**changes), ROW))
    assert said == f"best: {found}"
    assert may.startswith(allowed)
    assert where_ == ("steps", 0, "reconcile", *path)


@pytest.mark.parametrize(
    ("feed", "kind"),
    [
        (joined(join(within="3d"), OUT, corrections="follow", retention="4d"), "join"),
        (reconciled(reconcile(within="3d"), ROW, corrections="follow", retention="4d"), "reconcile"),
    ],
)
def test_corrections_are_followed_as_long_as_the_feed_keeps_a_record(feed: Feed, kind: str) -> None:
    """Else the consumer still holds what the relation has forgotten, and its correction is lost."""
    ((found, allowed, advice, path),) = findings(feed)
    assert "`within: 3d` with `corrections: follow`, in a feed that keeps a record 4d" in found
    assert (allowed, advice) == (
        "at least the feed's `retention`",
        "write `within: 4d` or more, or `retention: 3d` or less",
    )
    assert path == ("steps", 0, kind, "within")
    kept = {"corrections": "follow", "retention": "3d"}
    assert findings(joined(join(within="3d"), OUT, **kept)) == []
    assert findings(joined(join(within="3d"), OUT, corrections="independent", retention="4d")) == []


def test_one_relation_in_a_feed() -> None:
    ((found, allowed, _, path),) = findings(joined(join(), reconcile(), OUT))
    assert (found, allowed) == (
        "best: a second step that brings records together, `reconcile`",
        "one join or reconcile in a feed",
    )
    assert path == ("steps", 1, "reconcile")


def test_two_sources_without_a_join() -> None:
    ((found, allowed, next_step, path),) = findings(joined(OUT))
    assert found == "sources: 2 sources: health.case_trip, travel.seat"
    assert (allowed, path) == ("one source, or two and a join", ("sources",))
    assert next_step == "join them, or write a feed for each source"


def test_a_source_that_no_side_of_the_join_takes() -> None:
    ((found, _, _, path),) = findings(joined(join(), OUT, sources={**SOURCES, "other": "travel.seat"}))
    assert found == "same-journey: a join of `trip` and `seat` in a feed of trip, seat, other"
    assert path == in_join()


def test_a_reconcile_of_two_sources() -> None:
    ((found, allowed, _, path),) = findings(joined(reconcile(), OUT))
    assert found == "best: 2 sources: trip, seat"
    assert allowed.startswith("one source: its publishers are the parties")
    assert path == ("steps", 0, "reconcile", "of")


def test_two_aliases_of_one_contract() -> None:
    ((found, allowed, next_step, path),) = findings(
        joined(join(), OUT, sources={"trip": "travel.seat", "seat": "travel.seat"})
    )
    assert found == "same-journey: both sides are travel.seat"
    assert (allowed, next_step) == ("two topic contracts", "a contract is not joined with itself")
    assert path == in_join()


def test_an_alias_that_a_composite_record_needs_for_itself() -> None:
    sources = {"source": "travel.seat"}
    ((found, _, next_step, _),) = findings(
        reconciled(reconcile(of="source"), select(row="source.row"), sources=sources)
    )
    assert (found, next_step) == ("best: the source is called `source`", "call it otherwise")
    winner = reconciled(
        reconcile(of="winner", gives="conflicts"), select(row="winner.row"), sources={"winner": "travel.seat"}
    )
    assert findings(winner)[0][0] == "best: the source is called `winner`"


@pytest.mark.parametrize(
    ("steps", "path", "found", "allowed", "next_step"),
    [
        (
            [where("trip.row < 3"), join(), OUT],
            (0, "where"),
            "near: no `of`",
            "trip, seat",
            "say which side it decides on, or put it behind same-journey",
        ),
        (
            [where("trip.row < 3", of="journey"), join(), OUT],
            (0, "where", "of"),
            "near: `of: journey`",
            "trip, seat",
            "say which side it decides on, or put it behind same-journey",
        ),
        (
            [where("trip.row < seat.row", of="trip"), join(), OUT],
            (0, "where", "when"),
            "near, character 12: `seat.row`",
            "<source>.<field>, where the source is trip",
            "a condition on both sides stands behind same-journey",
        ),
        (
            [join(), where("trip.row < 3", of="trip"), OUT],
            (1, "where", "of"),
            "near: `of: trip`",
            "`of` before a join or reconcile alone",
            "leave it out",
        ),
        (
            [join(), deduplicate("trip", "trip.event_id"), OUT],
            (1, "deduplicate", "of"),
            "once-trip: `of: trip` behind same-journey",
            "same-journey",
            "or put it before same-journey",
        ),
        (
            [join(), deduplicate("same-journey", "seat.passenger_id"), OUT],
            (1, "deduplicate", "key"),
            "once-same-journey: the key seat.passenger_id: records that it calls equal can lie in different "
            "partitions, and each partition is deduplicated on its own",
            "a key with trip.event_id, or with trip.carrier_no and trip.service_date, or with seat.event_id, or with "
            "seat.carrier_no and seat.service_date",
            "",
        ),
        (
            [join(), deduplicate("same-journey", "event_id"), OUT],
            (1, "deduplicate", "key"),
            "once-same-journey: `event_id` as part of the key",
            "<alias>.<field> of type string, int or long, never null",
            "",
        ),
        (
            [join(unmatched="left"), deduplicate("same-journey", "seat.event_id"), OUT],
            (1, "deduplicate", "key"),
            "once-same-journey: `seat.event_id` as part of the key: `seat` may be missing",
            "<alias>.<field> of type string, int or long, never null",
            "",
        ),
        (
            [deduplicate("seat", "entity_id"), join(), OUT],
            (0, "deduplicate", "key"),
            "once-seat: the key entity_id: records that it calls equal can lie in different partitions, and each "
            "partition is deduplicated on its own",
            "event_id, or all fields of the Kafka key of travel.seat.by.carrier_no.service_date.4: carrier_no, "
            "service_date",
            "",
        ),
        (
            [join(), select(a="journey.row")],
            (1, "select", "fields", "a"),
            "notice.a: `journey.row`",
            "<source>.<field>, where the source is trip, seat",
            "",
        ),
        (
            [join(), select(a="seat.case_id")],
            (1, "select", "fields", "a"),
            "notice.a: `seat` has no field `case_id`",
            "event_id, entity_id, revision, status, occurred_at, published_at, source, region, row, seat, carrier_no, "
            "service_date, passenger_id, home, berth, maybe, unused",
            "",
        ),
    ],
)
def test_a_step_around_a_join_that_cannot_be(
    steps: list[Any], path: tuple[Any, ...], found: str, allowed: str, next_step: str
) -> None:
    assert findings(joined(*steps)) == [(found, allowed, next_step, ("steps", *path))]


@pytest.mark.parametrize(
    ("feed", "found", "allowed"),
    [
        (
            reconciled(deduplicate("seat", "entity_id"), ROW, corrections="follow"),
            "once-seat: the key entity_id with `corrections: follow`: a correction would be a repeat",
            "a key with event_id or revision",
        ),
        (
            joined(join(), deduplicate("same-journey", "trip.event_id"), OUT, corrections="follow"),
            "once-same-journey: the key trip.event_id with `corrections: follow`: a correction would be a repeat",
            "a key with seat.event_id or seat.revision",
        ),
    ],
)
def test_a_deduplicate_that_would_keep_corrections_back(feed: Feed, found: str, allowed: str) -> None:
    ((said, may, _, _),) = findings(feed)
    assert (said, may) == (found, allowed)


def test_an_of_without_a_relation() -> None:
    ((found, allowed, next_step, _),) = findings(reconciled(where("seat.row < 3", of="seat"), ROW))
    assert (found, allowed, next_step) == ("near: `of: seat`", "`of` before a join or reconcile alone", "leave it out")


def test_types_of_one_name_that_differ() -> None:
    def place(kind: str) -> dict[str, Any]:
        return {"name": "place", "type": {"type": "record", "name": "Place", "fields": [{"name": "a", "type": kind}]}}

    on = [{"name": "carrier_no", "type": "string"}]
    events = (build.event_schema("CaseTrip", [*on, place("int")]), build.event_schema("Seat", [*on, place("long")]))
    steps = (join(on=("carrier_no",)), select(a="trip.place", b="seat.place"))
    ((found, allowed, next_step, path),) = findings(joined(*steps), trip=None, seat=seats(), events=events)
    assert found.startswith("sources: `seat.place` brings a type gebus.test.Place that differs")
    assert (allowed, next_step, path) == (
        "one form for each name",
        "give one of the two types another name",
        ("sources",),
    )


def test_a_lane_whose_name_kafka_does_not_take() -> None:
    names = [letter * 61 for letter in "abcd"]
    fields = [{"name": name, "type": "string"} for name in names]
    events = (
        build.event_schema("CaseTrip", fields),
        build.event_schema("Seat", [*fields, {"name": "seat", "type": "int"}]),
    )
    ((found, allowed, next_step, path),) = findings(joined(join(on=names), OUT), events=events)
    assert found == "sources: a lane whose name has 534 characters"
    assert allowed == "at most 237, so that Kafka takes the names of its topics"
    assert next_step == "use fewer fields, or fields with shorter names, as key"
    assert path == ("sources",)


def test_every_problem_of_a_join_at_once() -> None:
    found = findings(joined(join(on=("berth", "maybe"), matches="latest", unmatched="both"), OUT))
    assert [path for *_, path in found] == [in_join("unmatched"), in_join("on", 0), in_join("on", 1)]


def test_no_more_lanes_read_a_topic_than_its_offsets_have_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    own = reconciled(select(row="seat.row"), name="own")
    catalogue = world(joined(join(broadcast="left"), OUT), own)
    assert lanes(catalogue)
    monkeypatch.setattr(planner, "MOST_LANES", 1)
    with pytest.raises(PlanError, match=r"sources: 2 lanes read travel\.seat; allowed: 1; feeds that join it with "):
        lanes(catalogue)
