"""Invariant 4: no field above a consumer's policy leaves a lane, whatever its author selects.

The judge reads the policy's cells as they were drawn and looks for the secret itself; it asks neither the planner nor
`gebus.policy` what should have happened.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.conftest import looks

from gebus.model.event import Mask
from gebus.plan import LanePlan, lanes
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.topology import Topology

Cells = dict[tuple[int, str, int], str]
LEVELS, KINDS, TIERS = (1, 2, 3, 4), ("direct", "quasi", "none"), (1, 2, 3, 4)
MASKS = [
    None,
    Mask("null"),
    Mask("token"),
    Mask("fixed", value="x"),
    Mask("partial", first=3, last=4),
    Mask("division", digits=2),
]
WISHES: list[Any] = [
    None,
    "null",
    "token",
    "drop",
    {"fixed": "x"},
    {"partial": {"first": 30, "last": 30}},
    {"partial": {"first": 1, "last": 0}},
    {"generalise": {"division": "county"}},
]


def secret(field: str) -> str:
    """A value that is all digits, so that a division keeps what it may, and that is like no other field's."""
    return f"{field[1:]:0>2}" * 9


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Cells, list[dict[str, Any]], list[Any]]:
    outcomes = st.sampled_from(["pass", "mask", "token", "generalise", "drop", None])
    cells = {cell: draw(outcomes) for cell in product(LEVELS, KINDS, TIERS)}
    fields = [
        {
            "name": f"x{index + 10}",
            "type": draw(st.sampled_from(["string", ["null", "string"]])),
            "classification": draw(st.sampled_from(LEVELS)),
            "identifies": draw(st.sampled_from(KINDS)),
            "masked": draw(st.sampled_from(MASKS)),
            "generalised": draw(st.sampled_from(MASKS)),
        }
        for index in range(draw(st.integers(1, 5)))
    ]
    feeds = []
    for number in range(draw(st.integers(1, 4))):
        chosen: dict[str, Any] = {}
        for index, field in enumerate(draw(st.lists(st.sampled_from(fields), min_size=1, max_size=6))):
            wish = draw(st.sampled_from(WISHES))
            chosen[f"out{index}"] = f"e.{field['name']}" if wish is None else {"of": f"e.{field['name']}", "mask": wish}
        select = {"select": {"name": "out", "fields": chosen}}
        feeds.append(build.feed([select], name=f"feed-{number}", tier=draw(st.sampled_from(TIERS))))
    return {cell: outcome for cell, outcome in cells.items() if outcome}, fields, feeds


def deliver(cells: Cells, fields: list[dict[str, Any]], feeds: list[Any]) -> Topology:
    policy = build.policy_list((*cell, outcome) for cell, outcome in cells.items())
    topology = Topology(lanes(build.catalogue(build.event_schema("Report", fields), feeds, policy=policy))[0])
    publish(topology, fields)
    return topology


def publish(topology: Topology, fields: list[dict[str, Any]]) -> None:
    envelope = {"event_id": "e", "entity_id": "shop", "revision": 0, "status": "ASSERTED", "source": "jd"}
    instants = {"occurred_at": START_MS, "published_at": START_MS, "region": "420100"}
    topology.publish(envelope | instants | {field["name"]: secret(field["name"]) for field in fields}, "jd")
    topology.run()


def leaks(topology: Topology, cells: Cells, fields: list[dict[str, Any]], feeds: list[Any]) -> list[str]:
    """Each secret that a feed holds in full although its cell of the policy is not `pass`."""
    found = []
    for feed in feeds:
        records = topology.delivered(feed.id)
        assert len(records) == 1
        for field in fields:
            outcome = cells.get((field["classification"], field["identifies"], feed.tier), "drop")
            if outcome != "pass" and secret(field["name"]) in repr(records[0]):
                found.append(f"{feed.id}: {field['name']} ({outcome})")
    return found


@looks(100)
@given(worlds())
def test_no_secret_leaves(world: tuple[Cells, list[dict[str, Any]], list[Any]]) -> None:
    cells, fields, feeds = world
    assert not leaks(deliver(cells, fields, feeds), cells, fields, feeds)


def test_the_judge_finds_a_leak() -> None:
    """The same plan, run for a policy that passes the field, judged by one that drops it."""
    fields = [{"name": "x10", "type": "string", "classification": 3, "identifies": "direct"}]
    feeds = [build.feed([{"select": {"name": "out", "fields": {"a": "e.x10"}}}], tier=1)]
    topology = deliver({(3, "direct", 1): "pass"}, fields, feeds)
    assert leaks(topology, {(3, "direct", 1): "token"}, fields, feeds) == ["cdc/dear: x10 (token)"]


@pytest.mark.parametrize("tier", TIERS)
def test_a_plan_without_its_masks_would_be_found(tier: int) -> None:
    """A planted violation: the masks are taken out of the lane plan before the kernel gets it."""
    fields = [
        {"name": f"x{level + 10}", "type": "string", "classification": level, "identifies": "direct"}
        for level in LEVELS
    ]
    selected = {f"out{level}": f"e.x{level + 10}" for level in LEVELS}
    feeds = [build.feed([{"select": {"name": "out", "fields": selected}}], tier=tier)]
    cells = {(level, "direct", tier): "pass" if level <= tier else "token" for level in LEVELS}
    policy = build.policy_list((*cell, outcome) for cell, outcome in cells.items())
    lane = lanes(build.catalogue(build.event_schema("Report", fields), feeds, policy=policy))[0]
    topology = Topology(_Unmasked(lane))
    publish(topology, fields)
    assert len(leaks(topology, cells, fields, feeds)) == len(LEVELS) - tier


class _Unmasked(LanePlan):
    """A lane plan whose kernel form has lost its masks."""

    def __init__(self, lane: LanePlan) -> None:
        super().__init__(**{slot: getattr(lane, slot) for slot in lane.__slots__})

    def to_kernel(self) -> str:
        return super().to_kernel().replace('"mask":{"kind":"token"}', '"mask":null')
