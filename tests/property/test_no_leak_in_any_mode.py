"""Invariant 4 at scale: of random records over all tiers, purposes and modes no feed tells more than its policy.

The judge asks neither the planner nor `gebus.policy`. It reads the lines as they were drawn, masks each value as the
policy alone would, and takes for a leak whatever cannot be made of that: a value is either what the policy leaves of
it, or that under the author's mask, or nothing.

GEBUS_LEAK_RECORDS=<number> says how many deliveries are judged at least: 1,000,000 before a release.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from itertools import product
from typing import Any

import pytest
from tests.property.conftest import SEED

from gebus.model.catalogue import Catalogue
from gebus.model.errors import PlanError
from gebus.model.event import ENVELOPE, EventField, Mask
from gebus.model.feed import Feed, SelectStep
from gebus.model.mask import mask_of
from gebus.plan import LanePlan, lanes
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.oracle_masks import Tokens, masked
from gebus.testing.oracle_policy import OracleMode, left_by_policy, mode_of, token_rule
from gebus.testing.topology import Topology, token_key

RECORDS = int(os.environ.get("GEBUS_LEAK_RECORDS", "20000"))
DAY_MS = 86_400_000
DATE, INSTANT = {"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"}
TEXT_MASKS = [Mask("null"), Mask("fixed", value="x"), Mask("partial", first=3, last=4), Mask("token")]
CODES = [Mask("division", digits=digits) for digits in (2, 4, 6)] + [Mask("parent")]
KINDS: dict[str, tuple[Any, list[Mask], list[Mask]]] = {
    "text": ("string", TEXT_MASKS, CODES),
    "code": (["null", "string"], TEXT_MASKS, CODES),
    "number": ("long", [Mask("null"), Mask("token")], [Mask("band", width=100)]),
    "born": (DATE, [Mask("null")], [Mask("date", unit="month"), Mask("date", unit="year")]),
    "seen": (INSTANT, [Mask("null")], [Mask("instant", unit="day"), Mask("instant", unit="month")]),
    "place": ("double", [Mask("null")], [Mask("grid", width=3), Mask("grid", width=30)]),
}
WISHES: dict[str, list[Any]] = {
    "text": ["null", "token", "drop", {"fixed": "x"}, {"partial": {"first": 1, "last": 0}}],
    "code": ["token", {"generalise": {"division": "city"}}, {"generalise": {"division": "parent"}}],
    "number": ["null", "token", {"generalise": {"band": 1000}}],
    "born": ["null", {"generalise": {"date": "year"}}],
    "seen": ["drop", {"generalise": {"instant": "month"}}],
    "place": ["null", {"generalise": {"grid": 60}}],
}
Taken = dict[str, tuple[dict[str, Any], int]]
"""By event id: the record as it was published, and when the log took it."""
PURPOSES = ("tracing", "relief")
OUTCOMES = ("pass", "mask", "token", "generalise", "drop", None)


@dataclass(frozen=True)
class World:
    """A catalogue, and the modes that hold in it."""

    catalogue: Catalogue
    modes: list[OracleMode]

    @property
    def fields(self) -> dict[str, EventField]:
        return {field.name: field for field in self.catalogue.events["market.price_report"].fields}


def world(chance: random.Random) -> World:
    """Every level and kind of identification, feeds of all tiers, purposes and modes, on lines drawn at random."""
    fields = []
    for number, (level, identifies) in enumerate(product((1, 2, 3, 4), ("direct", "quasi", "none"))):
        kind = chance.choice(list(KINDS))
        avro, masks, generalisations = KINDS[kind]
        field = {"name": f"{kind}_{number}", "type": avro, "classification": level, "identifies": identifies}
        fields.append(field | {"masked": chance.choice([None, *masks]), "generalised": chance.choice(generalisations)})
    wanted = [(what, dict(_selected(chance, fields))) for what in _feeds()]
    # A purpose's feeds share a consumer's topic names with no other: the name of the feed tells them apart.
    tokens = build.token_rules(chance.choice(["always", "year", "quarter", "month", "day"]))
    contract = build.topic_contract(event_time={"past": "4000d", "future": "4000d"}, partitions=1)
    modes = [
        OracleMode(
            f"m{n}", chance.choice(["", "42", "4201", "11"]), START_MS + n * 40_000, START_MS + n * 40_000 + 60_000
        )
        for n in range(chance.randint(1, 3))
    ]
    policy = _policy(chance)
    while True:
        feeds = [
            build.feed([{"select": {"name": "out", "fields": selected}}], f"f{n}", **what)
            for n, (what, selected) in enumerate(wanted)
        ]
        catalogue = build.catalogue(build.event_schema("Report", fields), feeds, contract, policy, tokens=tokens)
        try:
            lanes(catalogue)
        except PlanError as refused:
            # What is followed may not tell less in an emergency: the feed that would does without that field.
            found = re.search(r"/f(\d+): out\.(out_\w+): .* takes back what the normal mode shows", str(refused))
            if found is None:
                raise
            del wanted[int(found[1])][1][found[2]]
        else:
            return World(catalogue, modes)


def _feeds() -> Iterator[dict[str, Any]]:
    for tier, purpose in product((1, 2, 3, 4), PURPOSES):
        yield {"tier": tier, "purpose": purpose, "mode": "any"}
    yield {"tier": 2, "purpose": "relief", "mode": "emergency"}
    yield {"tier": 3, "purpose": "tracing", "mode": "normal"}
    yield {"tier": 3, "purpose": "tracing", "mode": "any", "corrections": "follow"}


def _selected(chance: random.Random, fields: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for field in fields:
        wish = chance.choice([None, None, *WISHES[field["name"].partition("_")[0]]])
        yield (
            f"out_{field['name']}",
            f"e.{field['name']}" if wish is None else {"of": f"e.{field['name']}", "mask": wish},
        )


def _policy(chance: random.Random) -> Any:
    """Lines for any purpose and mode, and some for one of either."""
    cells = list(product((1, 2, 3, 4), ("direct", "quasi", "none"), (1, 2, 3, 4)))
    lists = []
    for purpose, mode, share in (
        ("any", "any", 0.9),
        ("any", "emergency", 0.5),
        ("relief", "any", 0.3),
        ("relief", "emergency", 0.3),
    ):
        drawn = [(*cell, chance.choice(OUTCOMES)) for cell in cells if chance.random() < share]
        entries = build.policy_list([cell for cell in drawn if cell[3] is not None]).entries  # type: ignore[misc]
        lists += [
            replace(
                entry,
                code=f"{entry.code}.{purpose}.{mode}",
                attributes={**entry.attributes, "purpose": purpose, "mode": mode},
            )
            for entry in entries
        ]
    return replace(build.policy_list([]), entries=tuple(lists))


def record(chance: random.Random, fields: dict[str, EventField], number: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "event_id": f"e{number}",
        "entity_id": f"x{number % 40}",
        "revision": number,
        "status": chance.choice(["ASSERTED", "CORRECTED", "RETRACTED"]),
        "occurred_at": START_MS,
        "published_at": START_MS,
        "source": "jd",
        "region": chance.choice(["420106", "420000", "110105", "310000"]),
    }
    return values | {name: _value(chance, name) for name in fields if name not in ENVELOPE}


def _value(chance: random.Random, name: str) -> Any:
    match name.partition("_")[0]:
        case "text":
            return "".join(chance.choices("0123456789abc口罩", k=chance.randint(0, 18)))
        case "code":
            return chance.choice(
                [None, f"{chance.randint(0, 999_999):06}", f"42010{chance.randint(0, 9_999_999):07}", "武汉"]
            )
        case "number":
            return chance.randint(-(2**63), 2**63 - 1) if chance.random() < 0.1 else chance.randint(-5_000, 5_000)
        case "born":
            return chance.randint(-30_000, 20_000)
        case "seen":
            return START_MS + chance.randint(-(10**12), 10**12)
    return chance.uniform(-180, 180)


class Judge:
    """Looks for leaks in what one feed delivered."""

    def __init__(self, a_world: World, feed: Feed, taken: Taken) -> None:
        select = feed.steps[-1]
        assert isinstance(select, SelectStep)
        codes = a_world.catalogue.codes
        self._feed, self._modes, self._taken = feed, a_world.modes, taken
        self._tokens = Tokens(token_key(feed.id), *token_rule(codes, feed.purpose))
        self._fields, self._wishes = {}, {}
        for name, one in select.select.fields.items():
            of, wish = (one, None) if isinstance(one, str) else (one.of, mask_of(one.mask))
            self._fields[name], self._wishes[name] = a_world.fields[of.partition(".")[2]], wish
        self._left = {
            mode: {name: left_by_policy(codes, field, feed, mode) for name, field in self._fields.items()}
            for mode in ("normal", "emergency")
        }

    def leaks(self, delivered: Mapping[str, Any]) -> Iterator[str]:
        source, at_ms = self._taken[delivered["event_id"]]
        feed, mode = self._feed, "emergency" if mode_of(self._modes, source["region"], at_ms) else "normal"
        if feed.mode not in ("any", mode):
            yield f"{feed.id}: a record in the {mode} mode"
        if delivered["status"] == "RETRACTED" and feed.corrections == "follow":
            return  # it repeats what an earlier record of the entity showed in the normal mode
        for name, field in self._fields.items():
            policy = self._left[mode][name]
            if delivered.get(name) is None or policy is None:
                continue
            if policy.kind == "drop":
                yield f"{feed.id}: {name} is delivered in the {mode} mode, and no line allows it"
                continue
            shown = masked(source[field.name], policy, self._tokens, at_ms=at_ms)
            if delivered[name] not in _made_of(shown, policy, self._wishes[name], self._tokens, at_ms):
                yield f"{feed.id}: {name} tells more than {policy.kind} in the {mode} mode"


def judge(a_world: World, topology: Topology, taken: Taken) -> tuple[list[str], int]:
    """The leaks among all that was delivered, and how much that was."""
    leaks, count = [], 0
    for feed in a_world.catalogue.feeds.values():
        one = Judge(a_world, feed, taken)
        for delivered in topology.delivered(feed.id):
            count += 1
            leaks += one.leaks(delivered)
    return leaks, count


def _made_of(shown: Any, policy: Mask, wish: Mask | None, tokens: Tokens, at_ms: int) -> list[Any]:
    """What can be made of a value that the policy left."""
    made = [shown]
    if wish is not None and wish.kind == "fixed":
        made.append(wish.value)
    elif wish is not None and wish.kind not in ("drop", "null") and policy.kind == wish.kind:
        made.append(masked(shown, wish, tokens, at_ms=at_ms))
    return made


def played(a_world: World, chance: random.Random, lane: LanePlan | None = None) -> tuple[Topology, Taken]:
    topology = Topology(lane or lanes(a_world.catalogue)[0])
    topology.set_modes([astuple(mode) for mode in a_world.modes])
    taken: Taken = {}
    at_ms = START_MS
    for number in range(120):
        at_ms += chance.choice([0, 500, 2_000, 4 * DAY_MS if number == 100 else 1_000])
        one = record(chance, a_world.fields, number)
        taken[one["event_id"]] = one, at_ms
        topology.publish(one, "jd", at_ms)
    topology.run()
    return topology, taken


def test_nothing_leaks_in_any_mode() -> None:
    chance = random.Random(SEED)
    judged = 0
    while judged < RECORDS:
        a_world = world(chance)
        topology, taken = played(a_world, chance)
        assert not topology.committed.dead
        leaks, count = judge(a_world, topology, taken)
        assert not leaks, f"GEBUS_PROPERTY_SEED={SEED}: {leaks[:5]}"
        judged += count


class _Always(LanePlan):
    """A lane plan whose kernel form shows at all times what an emergency alone may show."""

    def __init__(self, lane: LanePlan) -> None:
        super().__init__(**{slot: getattr(lane, slot) for slot in lane.__slots__})

    def to_kernel(self) -> str:
        plan = json.loads(super().to_kernel())
        for feed in plan["feeds"]:
            feed["select"]["fields"] = feed["select"]["emergency"] or feed["select"]["fields"]
        return json.dumps(plan)


class _Unmasked(_Always):
    """One that has lost the masks that leave the type as it is."""

    def to_kernel(self) -> str:
        plan = json.loads(super(_Always, self).to_kernel())
        for feed in plan["feeds"]:
            for field in feed["select"]["fields"]:
                if field["mask"] and field["mask"]["kind"] in ("band", "grid", "date", "instant"):
                    field["mask"] = None
        return json.dumps(plan)


@pytest.mark.parametrize("planted", [_Always, _Unmasked])
def test_a_planted_leak_is_found(planted: type[_Always]) -> None:
    chance = random.Random(7)
    found = []
    for _ in range(3):
        a_world = world(chance)
        topology, taken = played(a_world, chance, planted(lanes(a_world.catalogue)[0]))
        found += judge(a_world, topology, taken)[0]
    assert found
