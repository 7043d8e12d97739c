"""With `corrections: follow` a consumer holds in the end what the sources say in the end, however long it all took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import Phase, event, find, given, settings
from hypothesis import strategies as st
from tests.property.conftest import looks
from tests.property.relations import ALIASES, CONTRACTS, PARTIES
from tests.property.truth import Held, Said, Truth

from gebus.model.base import milliseconds
from gebus.model.catalogue import Catalogue
from gebus.model.relation import Join
from gebus.plan import LanePlan, lanes
from gebus.testing import build
from gebus.testing.clock import START_MS, ManualClock
from gebus.testing.oracle_inputs import relation_of
from gebus.testing.topology import Topology

FEED = "cdc/held"
FIELDS = [{"name": "carrier", "type": "string"}, {"name": "row", "type": "int"}]


@dataclass(frozen=True, repr=False)
class World:
    """A feed that follows corrections, the conditions in it, and what is said and when."""

    catalogue: Catalogue
    lowest: dict[str, int]
    said: tuple[Said, ...]

    def __repr__(self) -> str:
        """The feed and its contracts' keys, and what was said, a line each."""
        feed = self.catalogue.feeds[FEED]
        lines = [f"keys {[one.key for one in self.catalogue.topics.values()]}, kept {feed.retention}, {self.lowest}"]
        lines += [f"    {step.model_dump(exclude_unset=True)}" for step in feed.steps]
        for one in self.said:
            values = [f"{name} {one.record[name]}" for name in ("revision", "status", "carrier", "row")]
            what = f"{one.record['event_id']} of {one.entity}: {', '.join(values)}"
            lines.append(f"    {one.at_ms - START_MS} ms: {what}, occurred {one.record['occurred_at'] - START_MS}")
        return "\n".join(["World", *lines])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Hypothesis prints the fields of a dataclass otherwise."""
        printer.text(repr(self))

    def truth(self) -> Truth:
        feed = self.catalogue.feeds[FEED]
        relation = relation_of(feed)
        assert relation is not None
        return Truth(relation, milliseconds(relation.within), milliseconds(feed.retention), self.lowest)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """What is said goes on for several times as long as anything is remembered."""
    kind = draw(st.sampled_from(["each-pair", "latest", "valid-at", "winner", "conflicts"]))
    within = draw(st.sampled_from([9, 9, 30]))
    aliases = ALIASES[:1] if kind in ("winner", "conflicts") else ALIASES
    lowest = {alias: draw(st.integers(0, 1)) for alias in (*aliases, "")}
    key = draw(st.sampled_from([("entity_id",), ("carrier",)]))
    contracts = [build.topic_contract(topic, publishers=PARTIES, key=key) for topic in CONTRACTS]
    events = [build.event_schema(name, FIELDS) for name in ("Trip", "Seat")]
    sides = [*aliases, "winner"] if kind == "conflicts" else [*aliases]
    steps: list[dict[str, Any]] = [
        {"where": {"name": f"side-{alias}", "of": alias, "when": f"{alias}.row >= {lowest[alias]}"}}
        for alias in aliases
        if lowest[alias]
    ]
    steps.append(_relation(draw, kind, within))
    if lowest[""]:
        steps.append({"where": {"name": "behind", "when": f"{aliases[0]}.row >= {lowest['']}"}})
    steps.append({"select": {"name": "out", "fields": {f"of_{side}": f"{side}.event_id" for side in sides}}})
    feed = build.feed(
        steps,
        name="held",
        sources=dict(zip(aliases, CONTRACTS, strict=False)),
        corrections="follow",
        retention=f"{draw(st.sampled_from([within, within, 5]))}ms",
    )
    catalogue = build.catalogue(events[0], [feed], contracts[0], more=[(contracts[1], events[1])])
    stays = key == ("carrier",)
    words = draw(st.one_of(st.lists(_WORDS, max_size=10), *[st.lists(_WORDS, min_size=30, max_size=40)] * 2))
    return World(catalogue, lowest, tuple(_said(words, aliases, stays=stays)))


def _relation(draw: st.DrawFn, kind: str, within: int) -> dict[str, Any]:
    common = {"name": "together", "within": f"{within}ms", "most": 1000}
    if kind in ("winner", "conflicts"):
        return {
            "reconcile": {
                **common,
                "of": ALIASES[0],
                "key": ("carrier",),
                "authority": draw(st.sampled_from([(), ("tmall",), ("ali", "jd")])),
                "compare": ("row",),
                "gives": kind,
            }
        }
    return {
        "join": {
            **common,
            "left": ALIASES[0],
            "right": ALIASES[1],
            "on": ("carrier",),
            "matches": kind,
            "unmatched": draw(st.sampled_from(["wait", "wait" if kind == "each-pair" else "left"])),
            "broadcast": draw(st.sampled_from(["none", "none", "right"])),
        }
    }


@dataclass(frozen=True)
class _Word:
    """Something that a party says of something; how it stands to what was said of that before is seen in its turn."""

    side: int
    party: str
    entity: str
    after_ms: int
    step: int
    """How far the revision is above the one before; 0: it is that one again, or comes late."""
    moves: bool
    carrier: str
    status: str
    occurred: int
    row: int


_WORDS = st.builds(
    _Word,
    side=st.integers(0, 1),
    party=st.sampled_from(PARTIES),
    entity=st.sampled_from("xy"),
    after_ms=st.sampled_from([1, 1, 2, 3, 5, 8]),
    step=st.sampled_from([1, 1, 1, 1, 2, 0]),
    moves=st.integers(0, 3).map(lambda number: number == 3),
    carrier=st.sampled_from(["MU", "MU", "CZ"]),
    status=st.sampled_from(["ASSERTED", "ASSERTED", "CORRECTED", "RETRACTED"]),
    occurred=st.integers(0, 6),
    row=st.sampled_from([0, 1, 1, 2]),
)


def _said(words: list[_Word], aliases: tuple[str, ...], *, stays: bool) -> Iterator[Said]:
    """`stays`: no entity ever changes its carrier."""
    last: dict[tuple[str, str, str], Said] = {}
    at_ms = START_MS
    for number, word in enumerate(words):
        at_ms += word.after_ms
        entity = aliases[word.side % len(aliases)], word.party, word.entity
        before = last.get(entity)
        late = before is not None and word.step == 0 and at_ms - before.at_ms <= 5
        record = {
            "event_id": f"e{number}",
            "entity_id": word.entity,
            "revision": 0 if before is None else before.record["revision"] + (0 if late else max(word.step, 1)),
            "status": word.status,
            "occurred_at": START_MS + word.occurred,
            "published_at": START_MS + number,
            "source": word.party,
            "region": "420100",
            "carrier": word.carrier if before is None or (word.moves and not stays) else before.record["carrier"],
            "row": word.row,
        }
        said = Said(entity[0], record, at_ms)
        if not late:
            last[entity] = said
        yield said


def wrong(world: World, plans: tuple[LanePlan, ...]) -> list[str]:
    """What is wrong with what the consumer holds, at the first time when anything is."""
    topology, truth = Topology(plans, ManualClock()), world.truth()
    contracts = dict(zip(ALIASES, CONTRACTS, strict=True))
    got: dict[str, tuple[int, Any]] = {}
    for said in world.said:
        topology.clock.at(said.at_ms)
        topology.publish(said.record, said.record["source"], to=contracts[said.side])
        seen = len(topology.committed.delivered)
        topology.run()
        truth.say(said)
        for _, delivery in topology.committed.delivered[seen:]:
            entity, revision = delivery.record["entity_id"], delivery.record["revision"]
            since_ms, before = got.get(entity, (0, None))
            if before is not None and said.at_ms - since_ms <= truth.kept_ms and revision <= before["revision"]:
                return [f"revision {revision} of {entity} came after {before['revision']}"]
            got[entity] = said.at_ms, delivery.record
        found = list(truth.wrong(list(_held(got, said.at_ms - truth.kept_ms))))
        if found:
            return [f"at {said.at_ms - START_MS} ms: {one}" for one in found]
    return []


def _held(got: dict[str, tuple[int, Any]], since_ms: int) -> Iterator[Held]:
    for at_ms, record in got.values():
        if at_ms >= since_ms and record["status"] != "RETRACTED":
            yield Held(tuple(value for name, value in record.items() if name.startswith("of_")))


@looks(300)
@given(worlds())
def test_a_consumer_holds_what_the_sources_say(world: World) -> None:
    relation = relation_of(world.catalogue.feeds[FEED])
    event(relation.matches if isinstance(relation, Join) else getattr(relation, "gives", ""))
    assert wrong(world, lanes(world.catalogue)) == []


def _forgets_early(plan: LanePlan) -> LanePlan:
    feeds = [
        replace(feed, relation=feed.relation and replace(feed.relation, within_ms=feed.relation.within_ms // 3))
        for feed in plan.feeds
    ]
    return replace(plan, feeds=tuple(feeds))


def _tells_no_more(plan: LanePlan) -> LanePlan:
    return replace(plan, feeds=tuple(replace(feed, follow_ms=None) for feed in plan.feeds))


@pytest.mark.parametrize("broken", [_forgets_early, _tells_no_more])
def test_a_lane_that_breaks_the_promise_is_found(broken: Callable[[LanePlan], LanePlan]) -> None:
    """The same property, of lanes that were made to forget, or to follow nothing."""

    def fails(world: World) -> bool:
        return bool(wrong(world, tuple(broken(plan) for plan in lanes(world.catalogue))))

    find(worlds(), fails, settings=settings(database=None, phases=(Phase.generate,), max_examples=300))
