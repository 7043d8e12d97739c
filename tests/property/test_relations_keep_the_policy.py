"""Invariant 4 through joins, reconcile and retractions: what the policy keeps back leaves a lane in no composite."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.property.conftest import looks
from tests.property.test_nothing_above_the_policy import KINDS, LEVELS, MASKS, TIERS, WISHES, Cells

from gebus.plan import LanePlan, lanes
from gebus.testing import build
from gebus.testing.clock import ManualClock
from gebus.testing.topology import Topology

TOPICS = {"trip": "health.trip", "seat": "travel.seat"}
OWN: list[dict[str, Any]] = [{"name": "line", "type": "string"}, {"name": "row", "type": "int"}]


def secret(alias: str, field: str) -> str:
    """A value that is all digits, so that a division keeps what it may, and that is like no other field's."""
    return f"{'8' if alias == 'trip' else '9'}{field[1:]}" * 6


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Cells, dict[str, list[dict[str, Any]]], Any]:
    outcomes = st.sampled_from(["pass", "mask", "token", "generalise", "drop", None])
    cells = {(level, kind, tier): draw(outcomes) for level in LEVELS for kind in KINDS for tier in TIERS}
    fields = {alias: [_field(draw, number) for number in range(draw(st.integers(1, 4)))] for alias in TOPICS}
    return {cell: outcome for cell, outcome in cells.items() if outcome}, fields, _feed(draw, fields)


def _field(draw: st.DrawFn, number: int) -> dict[str, Any]:
    return {
        "name": f"x{number + 10}",
        "type": draw(st.sampled_from(["string", ["null", "string"]])),
        "classification": draw(st.sampled_from(LEVELS)),
        "identifies": draw(st.sampled_from(KINDS)),
        "masked": draw(st.sampled_from(MASKS)),
        "generalised": draw(st.sampled_from(MASKS)),
    }


def _feed(draw: st.DrawFn, fields: dict[str, list[dict[str, Any]]]) -> Any:
    kind = draw(st.sampled_from(["each-pair", "latest", "valid-at", "winner", "conflicts"]))
    aliases = [*TOPICS] if kind not in ("winner", "conflicts") else ["seat"]
    sides = {alias: alias for alias in aliases} | ({"winner": "seat"} if kind == "conflicts" else {})
    chosen: dict[str, Any] = {}
    for index, side in enumerate(draw(st.lists(st.sampled_from([*sides]), min_size=1, max_size=6))):
        of = f"{side}.{draw(st.sampled_from(fields[sides[side]]))['name']}"
        wish = draw(st.sampled_from(WISHES))
        chosen[f"out{index}"] = of if wish is None else {"of": of, "mask": wish}
    if kind == "conflicts":
        chosen["differs"] = "conflict.differs"
    steps = [
        _relation(kind, fields),
        {"where": {"name": "low", "when": "seat.row < 5"}},
        {"select": {"name": "out", "fields": chosen}},
    ]
    sources = {alias: TOPICS[alias] for alias in aliases}
    return build.feed(steps, sources=sources, corrections="follow", tier=draw(st.sampled_from(TIERS)))


def _relation(kind: str, fields: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    common = {"name": "both", "within": "14d", "most": 10}
    if kind in ("winner", "conflicts"):
        compare = [field["name"] for field in fields["seat"]] + ["row"]
        return {
            "reconcile": {
                **common,
                "of": "seat",
                "key": ["line"],
                "authority": ["jd"],
                "compare": compare,
                "gives": kind,
            }
        }
    sides = {"left": "trip", "right": "seat", "on": ["line"], "broadcast": "none"}
    return {"join": {**common, **sides, "matches": kind, "unmatched": "left"}}


def play(plans: tuple[LanePlan, ...], fields: dict[str, list[dict[str, Any]]], feed: Any) -> Topology:
    """A seat comes, is corrected out of the feed and back into it, and is retracted; so is what it is held against."""
    topology = Topology(plans, ManualClock())
    for alias, party, entity, revision, row, status in [
        ("trip", "jd", "t", 0, 1, "ASSERTED"),
        ("seat", "jd", "s", 0, 1, "ASSERTED"),
        ("seat", "tmall", "u", 0, 2, "ASSERTED"),
        ("seat", "tmall", "u", 1, 9, "CORRECTED"),
        ("seat", "tmall", "u", 2, 3, "CORRECTED"),
        ("trip", "jd", "t", 1, 1, "CORRECTED"),
        ("seat", "tmall", "u", 3, 3, "RETRACTED"),
        ("seat", "jd", "s", 1, 1, "RETRACTED"),
    ]:
        if alias in feed.sources:
            topology.clock.advance(1000)
            now = topology.clock.now_ms
            head = {"event_id": f"{entity}{revision}", "entity_id": entity, "revision": revision, "status": status}
            head |= {"occurred_at": now, "published_at": now, "source": party, "region": "420100"}
            values = {field["name"]: secret(alias, field["name"]) for field in fields[alias]}
            topology.publish(head | {"line": "MU", "row": row} | values, party, to=TOPICS[alias])
            topology.run()
    return topology


def planned(cells: Cells, fields: dict[str, list[dict[str, Any]]], feed: Any) -> tuple[LanePlan, ...]:
    policy = build.policy_list((*cell, outcome) for cell, outcome in cells.items())
    events = {alias: build.event_schema(alias.title(), [*OWN, *fields[alias]]) for alias in TOPICS}
    contracts = {alias: build.topic_contract(topic) for alias, topic in TOPICS.items()}
    more = [(contracts["seat"], events["seat"])]
    return lanes(build.catalogue(events["trip"], [feed], contracts["trip"], policy, more))


def leaks(topology: Topology, cells: Cells, fields: dict[str, list[dict[str, Any]]], feed: Any) -> set[str]:
    """Each secret that the feed holds in full although its cell of the policy is not `pass`."""
    text = repr(topology.delivered(feed.id))
    return {
        f"{alias}.{field['name']} ({outcome})"
        for alias in feed.sources
        for field in fields[alias]
        if (outcome := cells.get((field["classification"], field["identifies"], feed.tier), "drop")) != "pass"
        and secret(alias, field["name"]) in text
    }


@looks(80)
@given(worlds())
def test_no_secret_leaves(world: tuple[Cells, dict[str, list[dict[str, Any]]], Any]) -> None:
    cells, fields, feed = world
    topology = play(planned(*world), fields, feed)
    statuses = {record["status"] for record in topology.delivered(feed.id)}
    assert "RETRACTED" in statuses, "or nothing is seen of what a retraction shows"
    for status in statuses:
        event(f"{next(iter(feed.steps[0].model_dump()))}: {status}")
    assert not leaks(topology, cells, fields, feed)


@pytest.mark.parametrize("kind", ["each-pair", "latest", "valid-at", "winner", "conflicts"])
def test_the_judge_finds_a_leak(kind: str) -> None:
    """The same plan, run for a policy that passes the field, judged by one that drops it."""
    fields = {
        alias: [{"name": "x10", "type": "string", "classification": 3, "identifies": "direct"}] for alias in TOPICS
    }
    steps = [_relation(kind, fields), {"select": {"name": "out", "fields": {"a": "seat.x10"}}}]
    sources = {"seat": TOPICS["seat"]} if kind in ("winner", "conflicts") else TOPICS
    feed = build.feed(steps, sources=sources, corrections="follow", tier=1)
    topology = play(planned({(3, "direct", 1): "pass", (1, "none", 1): "pass"}, fields, feed), fields, feed)
    assert leaks(topology, {(3, "direct", 1): "token"}, fields, feed) == {"seat.x10 (token)"}
