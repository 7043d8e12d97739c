"""What steps remember: equal forms are what the kernel's fingerprints say, and each loss is told from a mere change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.plan import journeys as j

from gebus.lanes.forms import CORRECTIONS, STEPS_TOPIC, Life, Noted, Notes, forms, losses, noted_now, parse_notes
from gebus.model.errors import Stopped
from gebus.model.feed import Feed
from gebus.plan import LanePlan, lanes
from gebus.testing.topology import Topology, open_kernel

FEED = "cdc/dear"
NOW = 1_700_000_000_000
DAY = 86_400_000
WIDER = {"select": {"name": "notice", "fields": {"seat_no": "seat.seat", "row": "trip.row"}}}
FOLLOW = {"corrections": "follow"}
SAME_KEYS: dict[str, Any] = {"seat": j.seats(key=j.ON, partitions=4)}


def joined(*, out: dict[str, Any] = j.OUT, first: tuple[dict[str, Any], ...] = (), **changes: Any) -> Feed:
    also = {name: changes.pop(name) for name in ("corrections",) if name in changes}
    return j.joined(*first, j.join(**changes), out, **also)


def reconciled(**changes: Any) -> Feed:
    also = {name: changes.pop(name) for name in ("corrections",) if name in changes}
    return j.reconciled(j.reconcile(**changes), j.OUT, **also)


def planned(feed: Feed) -> tuple[LanePlan, ...]:
    """Without copies, so that one step fills every table."""
    return lanes(j.world(feed, **SAME_KEYS))


def value_of(avro: Any) -> Any:
    if isinstance(avro, list):
        return value_of(avro[-1])
    kind = avro["type"] if isinstance(avro, dict) else avro
    return {"string": "x", "int": 1, "long": 1}[kind]


def written(plans: tuple[LanePlan, ...]) -> list[tuple[str, int, bytes, bytes]]:
    """The state of lanes that took a record of each side."""
    made = Topology(plans)
    for source in {part.contract: part for plan in plans for part in plan.inputs}.values():
        record = {part["name"]: value_of(part["type"]) for part in source.schema["fields"]}
        now = {"occurred_at": made.clock.now_ms, "published_at": made.clock.now_ms}
        same = {"carrier_no": "G1", "service_date": 1, "status": "ASSERTED", "source": "jd", "region": "110000"}
        made.publish({**record, **now, **same, "event_id": source.name, "revision": 0}, "jd", to=source.contract)
    made.run()
    found = [
        (plan.name, number, *entry)
        for plan in plans
        for number in range(plan.partitions)
        for entry in made.kernel.dump(plan.name, number)
    ]
    assert any(key != b"account" for *_, key, _ in found), "nothing is remembered"
    return found


def is_readable(state: list[tuple[str, int, bytes, bytes]], plans: tuple[LanePlan, ...]) -> bool:
    """Whether the kernel takes this state for these plans."""
    kernel = open_kernel(plans)
    for plan in plans:
        for number in range(plan.partitions):
            kernel.open(plan.name, number)
    said = set()
    for lane, number, key, value in state:
        try:
            kernel.restore(lane, number, key, value)
        except ValueError as error:
            said.add("was written by another form of its step" in str(error))
    assert said <= {True}
    return not said


JOINS: list[Mapping[str, Any]] = [
    {}, {"within": "7d"}, {"most": 5}, {"matches": "latest"}, {"matches": "valid-at"}, {"unmatched": "left"},
    {"matches": "latest", "unmatched": "left"}, {"on": j.ON[::-1]},
    {"out": WIDER}, FOLLOW, {**FOLLOW, "out": WIDER}, {**FOLLOW, "within": "3d"},
]  # fmt: skip
RECONCILES: list[Mapping[str, Any]] = [
    {}, {"within": "9d"}, {"authority": ("tmall",)}, {"compare": ("seat",)}, {"gives": "conflicts"}, FOLLOW,
]  # fmt: skip


@pytest.mark.parametrize(("make", "changes"), [(joined, JOINS), (reconciled, RECONCILES)], ids=["join", "reconcile"])
def test_a_form_is_lost_just_where_the_kernel_cannot_read_it(make: Any, changes: list[Mapping[str, Any]]) -> None:
    plans = [planned(make(**change)) for change in changes]
    for before, change in zip(plans, changes, strict=True):
        state, noted = written(before), {name: Noted(each) for name, each in forms(before).items()}
        for after, other in zip(plans, changes, strict=True):
            lost = [loss for loss in losses(noted, forms(after), NOW) if loss.why == "form"]
            assert is_readable(state, after) == (not lost), (change, other, lost)


def test_deduplicate_join_and_corrections_are_told_apart() -> None:
    feed = joined(first=(j.deduplicate("seat", "event_id"),), **FOLLOW)
    (known,) = forms(planned(feed)).values()
    assert [(form.step, form.kind, form.table) for form in known] == [
        ("once-seat", "deduplicate", "travel.seat.event_id.14d"),
        ("same-journey", "join", f"{FEED}.same-journey"),
        (CORRECTIONS, "corrections", f"corrections/{FEED}"),
    ]
    assert known[1].meaning["on"] == list(j.ON)


def told(before: Feed, after: Feed, **then: Any) -> list[tuple[str, str]]:
    """What a change from one feed to another loses."""
    noted = {name: Noted(each, **then) for name, each in forms(planned(before)).items()}
    return [(loss.why, loss.before.step) for loss in losses(noted, forms(planned(after)), NOW)]


def test_a_step_that_is_called_otherwise_or_lies_in_another_lane_is_lost() -> None:
    assert told(joined(), joined(name="same-train")) == [("gone", "same-journey")]
    assert told(joined(), joined(on=("carrier_no",))) == [("moved", "same-journey")]
    assert told(joined(**FOLLOW), joined()) == [("form", "same-journey"), ("gone", CORRECTIONS)]
    once = joined(first=(j.deduplicate("seat", "event_id"),))
    assert told(once, joined()) == [("gone", "once-seat")]
    longer = joined(first=({"deduplicate": {**j.deduplicate("seat", "event_id")["deduplicate"], "within": "7d"}},))
    assert told(once, longer) == [("moved", "once-seat")]
    assert told(joined(), joined(within="7d", most=3)) == []


def test_a_name_that_comes_back_is_told_until_nothing_counts_any_more() -> None:
    old, new = (forms(planned(joined(name=name)))[FEED] for name in ("same-journey", "same-train"))
    noted = noted_now(Noted(old), new, NOW)
    assert noted is not None
    assert [(form.step, form.gone_ms) for form in noted.forms] == [("same-train", None), ("same-journey", NOW)]
    assert noted_now(noted, new, NOW + 5) is None, "it is noted once"
    until = NOW + 14 * DAY * 9 // 8 + DAY
    assert [(loss.why, loss.before.step) for loss in losses({FEED: noted}, {FEED: old}, until - 1)] == [
        ("gone", "same-train"),
        ("back", "same-journey"),
    ]
    assert [loss.why for loss in losses({FEED: noted}, {FEED: old}, until)] == ["gone"]
    back = noted_now(noted, old, NOW + DAY)
    assert back is not None
    assert [(form.step, form.gone_ms) for form in back.forms] == [("same-journey", None), ("same-train", NOW + DAY)]


def test_a_feed_that_is_gone_loses_nothing_and_is_noted() -> None:
    known = Noted(forms(planned(joined()))[FEED])
    assert list(losses({FEED: known}, {}, NOW)) == []
    gone = noted_now(known, None, NOW)
    assert gone == replace(known, gone_ms=NOW)
    assert noted_now(gone, None, NOW + 1) is None
    assert noted_now(gone, known.forms, NOW + 1) == known


def test_a_feed_that_remembers_nothing_is_not_noted() -> None:
    assert noted_now(None, (), NOW) is None
    assert noted_now(None, None, NOW) is None


def test_notes_come_back_as_they_were_written() -> None:
    noted, life = Noted(forms(planned(joined(**FOLLOW)))[FEED], NOW), Life(NOW, anew=True)
    records = [(FEED, b"{}"), (FEED, noted.to_json()), ("a.b", life.to_json()), ("cdc/old", None)]
    assert parse_notes(records[1:]) == Notes({FEED: noted}, {"a.b": life})
    assert parse_notes([*records[1:], (FEED, None)]).feeds == {}


@pytest.mark.parametrize("value", [b"\xff", b"[]", b'{"version":1}', b'{"version":1,"forms":[{}],"gone_ms":null}'])
def test_what_gebus_did_not_write_is_refused(value: bytes) -> None:
    with pytest.raises(Stopped, match=f"{STEPS_TOPIC}: what it says of {FEED} is not what gebus writes"):
        parse_notes([(FEED, value)])


def test_a_later_version_is_refused() -> None:
    with pytest.raises(Stopped, match="has another version than 1"):
        parse_notes([(FEED, json.dumps({"version": 2}).encode())])
