"""Where the lanes go on: which topics go together, what becomes of marks, and what is said of it."""

from __future__ import annotations

import pytest
from tests.unit.lanes.conftest import lane_plan
from tests.unit.plan import journeys

from gebus.lanes.marks import StateMarks, unmarked
from gebus.lanes.offsets import Move, meaning, moves, target
from gebus.lanes.places import Lanes, Place
from gebus.model.errors import NotFound, Stopped
from gebus.plan import LanePlan, lanes
from gebus.plan.planner import MOST_LANES


@pytest.fixture(scope="module")
def plans() -> tuple[LanePlan, ...]:
    """A feed joins seats as they are with trips under another key, which the trips' own lane writes."""
    return lanes(journeys.world(journeys.joined(journeys.join(), journeys.OUT)))


def test_a_lane_goes_on_with_all_its_topics(plans: tuple[LanePlan, ...]) -> None:
    joined = next(plan for plan in plans if len(plan.inputs) == 2)
    found = target(joined.name, plans)
    assert found.topics == tuple(sorted(topic for one in joined.inputs for topic in one.topics))
    assert len(found.topics) > 1
    assert target(joined.feeds[0].name, plans) == found
    assert set(found.feeds) >= {feed.name for feed in joined.feeds}


def test_what_a_topic_reaches_through_copies_is_named(plans: tuple[LanePlan, ...]) -> None:
    copying = next(plan for plan in plans if plan.rekeys)
    (topic, *_) = copying.inputs[0].topics
    joined = next(plan for plan in plans if copying.rekeys[0].topic in {t for one in plan.inputs for t in one.topics})
    found = target(topic, plans)
    assert (found.lane, found.topics) == ("", (topic,))
    assert {feed.name for feed in joined.feeds} <= set(found.feeds)


def test_an_unknown_name_is_answered_with_the_nearest(plans: tuple[LanePlan, ...]) -> None:
    with pytest.raises(NotFound, match=rf"no lane and no topic .*{plans[0].name}"):
        target(plans[0].name + "x", plans)


def test_only_the_mark_of_the_lane_is_taken_away() -> None:
    plans = [lane_plan("a.b"), lane_plan("a.c", ("a.b.x",))]
    marks = StateMarks(Lanes(plans))
    marks.learn({"a.b": "one", "a.c": "two"})
    (marked,) = marks.on([Place("a.b.x", 0).kafka(7)])
    left = unmarked(marked.metadata, "a.b")
    assert left
    assert unmarked(left, "a.c") == ""
    found = moves(target("a.b", plans), {}, {("a.b.x", 0): (7, marked.metadata), ("other", 0): (1, "")})
    assert found == (Move(("a.b.x", 0), 7, 7, left),)
    assert moves(target("a.b.x", plans), {}, {("a.b.x", 0): (7, marked.metadata)})[0].mark == marked.metadata


def test_the_marks_of_as_many_lanes_as_may_read_a_topic_fit_its_offsets() -> None:
    plans = [lane_plan(f"a.lane-{number}", ("a.b.x",)) for number in range(MOST_LANES)]
    marks = StateMarks(Lanes(plans))
    marks.learn({plan.name: "x" * 22 for plan in plans})
    (marked,) = marks.on([Place("a.b.x", 0).kafka(7)])
    assert len(marked.metadata) <= 4096


def test_what_is_taken_again_and_what_is_passed_over_is_counted() -> None:
    wanted = target("a.b", [lane_plan()])
    after = {("a.b.x", 0): 0, ("a.b.x", 1): 9, ("a.b.y", 0): 4}
    made = moves(wanted, after, {("a.b.x", 0): (1_000, ""), ("a.b.x", 1): (7, "")})
    assert [(move.place, move.before, move.after) for move in made] == [
        (("a.b.x", 0), 1_000, 0), (("a.b.x", 1), 7, 9), (("a.b.y", 0), None, 4),
    ]  # fmt: skip
    again, over, forgotten = meaning(wanted, made)
    assert again.startswith("1,000 records are taken again")
    assert over.startswith("2 records are passed over")
    assert "lane a.b remembers what its topic holds now" in forgotten


def test_without_any_offset_the_group_cannot_stay_where_it_is() -> None:
    with pytest.raises(Stopped, match=r"stand nowhere in a.b.x, a.b.y.*say earliest, latest or a time"):
        moves(target("a.b", [lane_plan()]), {}, {})
