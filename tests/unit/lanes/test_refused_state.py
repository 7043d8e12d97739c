"""State that cannot be restored: its share stands still, is said and counted, and all others go on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.unit.lanes.conftest import LANE, PLACES, Bench
from tests.unit.plan import journeys

from gebus import plan as planner
from gebus.lanes.forms import Form, Noted, Notes, forms, parse_notes
from gebus.lanes.meter import Observation
from gebus.lanes.notes import not_applied
from gebus.lanes.places import Lanes

STATE = f"gebus.state.{LANE}"
Y0, X1 = ("a.b.y", 0), ("a.b.x", 1)


@pytest.fixture
def seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[Observation]:
    """What a worker would tell its metrics, at each of its turns."""
    told: list[Observation] = []
    monkeypatch.setattr(bench.meter, "serve", lambda observe: told.append(observe()))
    return told


def held(seen: list[Observation]) -> dict[str, str]:
    return {str(place): reason for place, reason in seen[-1].held.items()}


@pytest.mark.parametrize("value", [b"another form", b"not json"])
def test_a_state_that_does_not_fit_stops_its_share_alone(
    value: bytes, bench: Bench, seen: list[Observation], caplog: pytest.LogCaptureFixture
) -> None:
    bench.kafka.append((STATE, 1), value, key=b"seen")
    bench.publish("one")
    bench.publish("two", place=X1)
    bench.run(turns=200)
    bench.publish("three", place=Y0)
    bench.run(turns=200)
    assert bench.delivered() == ["ONE", "THREE"]
    assert held(seen) == {"a.b.x/1": "state_unfit", "a.b.y/1": "state_unfit"}
    (line, _) = [text for text in caplog.messages if "stands still" in text]
    assert re.match(rf"lane {LANE} stands still, the others go on: {STATE}/1 at offset 0: \w", line)
    assert line.count("slice") == 0, line
    assert bench.kafka.committed.keys() <= {("a.b.x", 0), Y0}


def test_what_is_wrong_with_every_share_is_said_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for number in (0, 1):
        bench.kafka.append((STATE, number), b"another form", key=b"seen")
    bench.publish("one")
    bench.run()
    assert sum("stands still" in text for text in caplog.messages) == 1
    assert bench.delivered() == []


def test_a_missing_topic_is_waited_for(bench: Bench, seen: list[Observation], caplog: pytest.LogCaptureFixture) -> None:
    bench.kafka.deleted.add(STATE)
    bench.publish("one")
    worker, began, made = bench.worker(), bench.clock.now, []

    def wait(turns: int) -> bool:
        if len(seen) > 100 and not made:
            assert held(seen) == dict.fromkeys(("a.b.x/0", "a.b.x/1", "a.b.y/0", "a.b.y/1"), "state_missing")
            assert bench.delivered() == []
            bench.kafka.deleted.clear()  # `gebus apply` ran
            made.append(bench.clock.now)
        return bool(bench.delivered()) or len(seen) > turns

    worker.run(lambda: wait(20_000), bench.clock.pass_)
    assert bench.delivered() == ["ONE"]
    assert held(seen) == {}
    assert bench.clock.now - began < 120
    (line,) = [text for text in caplog.messages if "stands still" in text]
    assert f"Kafka has no topic {STATE}" in line
    assert "`gebus apply`" in line
    assert len(bench.clients.sources) == 1, "it is one session"


def test_a_deleted_topic_is_not_said_to_be_one_that_was_never_made(
    bench: Bench, seen: list[Observation], caplog: pytest.LogCaptureFixture
) -> None:
    bench.publish("one")
    bench.run()
    bench.kafka.deleted.add(STATE)
    bench.kafka.log[STATE, 0].clear()
    bench.publish("one")
    bench.run()
    assert held(seen)["a.b.x/0"] == "state_missing"
    assert f"the topic {STATE} was deleted, and with it what lane {LANE} remembered and counted" in caplog.text
    assert f"`gebus reset-offsets {LANE}`" in caplog.text
    bench.kafka.deleted.clear()
    bench.kafka.ids[STATE] = "second"
    bench.run()
    assert held(seen)["a.b.x/0"] == "state_lost"
    assert bench.delivered() == ["ONE"]


def test_a_share_that_goes_elsewhere_and_comes_back_is_looked_at_anew(bench: Bench, seen: list[Observation]) -> None:
    bench.kafka.append((STATE, 1), b"another form", key=b"seen")
    worker, steps = bench.worker(), []
    moving = [place for place in PLACES if place[1] == 1]

    def stopping() -> bool:
        if len(seen) == 60:
            assert held(seen) == {"a.b.x/1": "state_unfit", "a.b.y/1": "state_unfit"}
            bench.consumer.take(moving)
        if len(seen) == 80:
            assert held(seen) == {}
            bench.kafka.log[STATE, 1].clear()
            bench.publish("two", place=X1)
            bench.consumer.give(moving)
        steps.append(1)
        return len(steps) > 200

    worker.run(stopping, bench.clock.pass_)
    assert held(seen) == {}
    assert bench.delivered() == ["TWO"]


def test_steps_that_were_not_applied_wait_for_it(
    bench: Bench, seen: list[Observation], caplog: pytest.LogCaptureFixture
) -> None:
    plan = bench.lanes.plans[0]
    feed = planner.lanes(journeys.world(journeys.reconciled(journeys.reconcile(), journeys.OUT)))[0].feeds[0]
    feed = replace(feed, name=plan.feeds[0].name)  # the one that the kernel delivers to
    bench.lanes = Lanes([replace(plan, feeds=(feed,))])
    old = Form("other-name", "reconcile", LANE, f"{feed.name}.other-name", 1000, {})
    bench.clients.noted = Notes({feed.name: Noted((old,))})
    bench.publish("one")

    def stopping() -> bool:
        if len(seen) == 100:
            assert set(held(seen).values()) == {"not_applied"}
            bench.clients.noted = Notes({feed.name: Noted((replace(old, gone_ms=bench.clock.now_ms()),))})
        return bool(bench.delivered()) or len(seen) > 20_000

    bench.worker().run(stopping, bench.clock.pass_)
    assert bench.delivered() == ["ONE"]
    assert f"the catalogue changes what {feed.name}, step other-name, remembers" in caplog.text


def test_only_lanes_of_the_changed_feed_wait() -> None:
    plans = planner.lanes(journeys.world(journeys.joined(journeys.join(), journeys.OUT)))
    (feed,) = [feed for plan in plans for feed in plan.feeds]
    assert not_applied(plans, Notes({name: Noted(each) for name, each in forms(plans).items()}), 0) == {}
    moved = replace(forms(plans)[feed.name][0], lane="another")
    (lane,) = [plan.name for plan in plans if plan.feeds]
    assert not_applied(plans, Notes({feed.name: Noted((moved,))}), 0).keys() == {lane}


def test_what_the_registry_does_not_have_stops_its_lane_alone(
    bench: Bench, seen: list[Observation], caplog: pytest.LogCaptureFixture
) -> None:
    bench.kernels.unregistered = {LANE: "no version of feed.c.f-value is what it delivers; run `gebus apply`"}
    bench.publish("one")

    def stopping() -> bool:
        if len(seen) == 100:
            assert set(held(seen).values()) == {"not_applied"}
            assert "no version of feed.c.f-value" in caplog.text
            bench.kernels.unregistered = {}
        return bool(bench.delivered()) or len(seen) > 20_000

    bench.worker().run(stopping, bench.clock.pass_)
    assert bench.delivered() == ["ONE"]


def test_notes_that_cannot_be_read_hold_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def notes() -> Notes:
        return parse_notes([("c/f", b'{"version": 2}')])

    monkeypatch.setattr(bench.clients, "notes", notes)
    bench.publish("one")
    bench.run()
    assert bench.delivered() == ["ONE"]
    assert "is not known: gebus.steps: what it says of c/f has another version than 1" in caplog.text
