"""Random catalogues whose feeds join, reconcile and follow, and scripts of what happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import reject
from hypothesis import strategies as st
from tests.property.conditions import conditions, operands

from gebus.model.catalogue import Catalogue
from gebus.model.errors import PlanError
from gebus.model.event import EventSchema
from gebus.model.feed import Feed
from gebus.model.topic import TopicContract
from gebus.plan import LanePlan, lanes
from gebus.testing import build
from gebus.testing.clock import START_MS

DAY_MS = 86_400_000
PARTIES = ("jd", "tmall", "ali")
CONTRACTS = ("health.trip", "travel.seat")
ALIASES = ("trip", "seat")
WITHIN = ("4ms", "9ms", "30ms", "1d")
_FIELDS: list[dict[str, Any]] = [
    {"name": "carrier", "type": "string"},
    {"name": "day", "type": "int"},
    {"name": "row", "type": ["null", "long"], "default": None},
    {"name": "note", "type": "string", "classification": 3, "identifies": "direct"},
]

Action = Literal["step", "one", "commit", "rollback", "crash", "snapshot", "tick", "run", "forget"]
ACTIONS: tuple[Action, ...] = ("step", "one", "commit", "run", "rollback", "crash", "snapshot", "tick", "forget")


@dataclass(frozen=True, repr=False)
class Sent:
    """A record that a party publishes, so many milliseconds after the one before."""

    contract: str
    record: dict[str, Any]
    after_ms: int

    def __repr__(self) -> str:
        values = {name: value for name, value in self.record.items() if name not in ("published_at", "region")}
        values["occurred_at"] -= START_MS
        return f"Sent({self.contract}, +{self.after_ms} ms, {values})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Hypothesis prints the fields of a dataclass otherwise."""
        printer.text(repr(self))


@dataclass(frozen=True, repr=False)
class World:
    """Everything that a run needs; `script` is what happens, in order."""

    catalogue: Catalogue
    plans: tuple[LanePlan, ...]
    begins_ms: int
    script: tuple[Sent | Action, ...]

    def __repr__(self) -> str:
        """What is needed to see a failure: contracts' keys, feeds, and the script, a line each."""
        lines = [f"begins at {self.begins_ms - START_MS} ms"]
        lines += [
            f"{topic}: key {one.key}, {one.partitions} partitions" for topic, one in self.catalogue.topics.items()
        ]
        for feed in self.catalogue.feeds.values():
            kept, ends = feed.retention, feed.grant.expires_on
            lines.append(f"{feed.id}: {feed.corrections}, kept for {kept}, tier {feed.tier}, granted until {ends}")
            lines += [f"    {step.model_dump(exclude_unset=True)}" for step in feed.steps]
        return "\n".join(["World", *lines, *(f"    {part}" for part in self.script)])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Hypothesis prints the fields of a dataclass otherwise."""
        printer.text(repr(self))


@st.composite
def worlds(draw: st.DrawFn, most_feeds: int = 3, most_records: int = 25) -> World:
    """A catalogue that can be planned, and a script on it."""
    events = [build.event_schema(name, _FIELDS) for name in ("Trip", "Seat")]
    contracts = [_contract(draw, topic) for topic in CONTRACTS]
    feeds = [_feed(draw, contracts, events, f"feed-{number}") for number in range(draw(st.integers(1, most_feeds)))]
    catalogue = build.catalogue(
        events[0], feeds, contracts[0], build.default_policy(), more=[(contracts[1], events[1])]
    )
    try:
        plans = lanes(catalogue)
    except PlanError:
        reject()
    read = sorted({part.contract for lane in plans for part in lane.inputs})
    begins_ms = START_MS + draw(st.sampled_from([0, 0, DAY_MS - 20]))
    return World(catalogue, plans, begins_ms, tuple(_script(draw, read, most_records)))


def _contract(draw: st.DrawFn, topic: str) -> TopicContract:
    return build.topic_contract(
        topic,
        publishers=PARTIES,
        key=draw(st.sampled_from([("entity_id",), ("carrier",), ("carrier", "day")])),
        partitions=draw(st.sampled_from([2, 2, 3])),
    )


def _feed(draw: st.DrawFn, contracts: list[TopicContract], events: list[EventSchema], name: str) -> Feed:
    kind = draw(st.sampled_from(["join", "join", "join", "reconcile", "source"]))
    corrections = draw(st.sampled_from(["independent", "follow", "follow"]))
    used = (0, 1) if kind == "join" else (draw(st.integers(0, 1)),)
    sources = {ALIASES[index]: contracts[index].topic for index in used}
    relation: dict[str, Any] | None = None
    if kind == "join":
        relation = {"join": _join(draw)}
    if kind == "reconcile":
        relation = {"reconcile": _reconcile(draw, ALIASES[used[0]])}
    steps: list[dict[str, Any]] = []
    if relation is not None:
        steps += [_before(draw, alias, number) for number, alias in enumerate(sources) if draw(st.integers(0, 2)) == 0]
        steps.append(relation)
    aliases = [*sources, "winner"] if kind == "reconcile" and relation and _gives_conflicts(relation) else [*sources]
    of = "brought-together" if relation else aliases[0]
    repeats = kind != "join" or relation is None or relation["join"]["unmatched"] == "wait"
    more = draw(st.sampled_from([0, 0, 1, 2]))
    steps += [_after(draw, events[0], aliases, of, number, repeats=repeats) for number in range(more)]
    steps.append({"select": {"name": "out", "fields": _selected(draw, aliases)}})
    spans = ["9ms", "30d", "30d"]
    if relation is not None and corrections == "follow":  # kept no longer than the relation remembers
        (part,) = relation.values()
        spans = [part["within"], part["within"], "1ms"]
    retention = draw(st.sampled_from(spans))
    tier = draw(st.integers(1, 4))
    expires = draw(st.sampled_from(["2030-01-01", "2030-01-01", "2020-02-02"]))
    grant = {"basis": "a test", "approved_by": "jd", "approved_on": "2020-01-01", "expires_on": expires}
    return build.feed(
        steps, name=name, tier=tier, sources=sources, corrections=corrections, retention=retention, grant=grant
    )


def _join(draw: st.DrawFn) -> dict[str, Any]:
    matches = draw(st.sampled_from(["each-pair", "each-pair", "latest", "valid-at"]))
    table = matches != "each-pair"
    unmatched = draw(st.sampled_from(["wait", "left"] if table else ["wait", "left", "right", "both"]))
    broadcast = draw(st.sampled_from(["none", "none", "right", *(["left"] if not table else [])]))
    if unmatched in (broadcast, "both"):
        broadcast = "none"
    left, right = draw(st.permutations(ALIASES))
    return {
        "name": "brought-together",
        "left": left,
        "right": right,
        "on": draw(st.sampled_from([("carrier",), ("carrier", "day"), ("day", "carrier"), ("day",)])),
        "within": draw(st.sampled_from(WITHIN)),
        "matches": matches,
        "unmatched": unmatched,
        "broadcast": broadcast,
        "most": draw(st.sampled_from([1000, 1000, 1000, 2, 1])),
    }


def _reconcile(draw: st.DrawFn, alias: str) -> dict[str, Any]:
    return {
        "name": "brought-together",
        "of": alias,
        "key": draw(st.sampled_from([("carrier",), ("carrier", "day"), ("entity_id",)])),
        "authority": draw(st.sampled_from([(), ("tmall",), ("ali", "jd")])),
        "within": draw(st.sampled_from(WITHIN)),
        "compare": draw(st.sampled_from([("row",), ("row", "note"), ("day", "status")])),
        "gives": draw(st.sampled_from(["winner", "conflicts"])),
        "most": draw(st.sampled_from([16, 16, 2, 1])),
    }


def _gives_conflicts(relation: dict[str, Any]) -> bool:
    return bool(relation["reconcile"]["gives"] == "conflicts")


def _before(draw: st.DrawFn, alias: str, number: int) -> dict[str, Any]:
    if draw(st.booleans()):
        key = draw(st.sampled_from([["event_id"], ["event_id", "revision"]]))
        within = draw(st.sampled_from(WITHIN))
        return {"deduplicate": {"name": f"once-{number}", "of": alias, "key": key, "within": within}}
    return {"where": {"name": f"side-{number}", "of": alias, "when": draw(_tests([alias]))}}


def _after(
    draw: st.DrawFn, event: EventSchema, aliases: list[str], of: str, number: int, *, repeats: bool
) -> dict[str, Any]:
    if not repeats or draw(st.integers(0, 2)):
        pool: dict[str, list[str]] = {}
        for alias in aliases:
            for kind, paths in operands(event.avro["fields"], alias).items():
                pool.setdefault(kind, []).extend(paths)
        when = draw(st.one_of(_tests(aliases), conditions(pool, depth=2)))
        return {"where": {"name": f"cut-{number}", "when": when}}
    key = draw(st.sampled_from([["event_id"], ["event_id", "revision"], ["revision", "carrier", "day", "entity_id"]]))
    names = key if of in aliases else [f"{alias}.{name}" for alias in aliases for name in key]
    within = draw(st.sampled_from(WITHIN))
    return {"deduplicate": {"name": f"late-{number}", "of": of, "key": names, "within": within}}


def _tests(aliases: list[str]) -> st.SearchStrategy[str]:
    """Conditions that about half of the records fulfil, and that a revision changes."""
    one, other = aliases[0], aliases[-1]
    return st.sampled_from(
        [
            f"{one}.row > 0",
            f"{other}.row <= 1",
            f"{one}.revision != 1",
            f"{other}.status != 'RETRACTED'",
            f"{one}.note == 'a' || {other}.row == null",
            f"{one}.row + {other}.row > 1",
        ]
    )


def _selected(draw: st.DrawFn, aliases: list[str]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from([field["name"] for field in _FIELDS]), min_size=1, max_size=3))
    chosen: dict[str, Any] = {}
    for alias in aliases:
        for name in names:
            chosen[f"{alias}_{name}"] = f"{alias}.{name}"
    if "winner" in aliases:
        chosen["differs"] = "conflict.differs"
    if draw(st.booleans()):
        chosen["id"] = {"of": f"{aliases[0]}.event_id", "mask": draw(st.sampled_from(["null", "token"]))}
    return chosen


def _script(draw: st.DrawFn, contracts: list[str], most_records: int) -> list[Sent | Action]:
    script: list[Sent | Action] = []
    sent: list[Sent] = []
    for number in range(draw(st.sampled_from([most_records, most_records // 2, 3]))):
        if sent and draw(st.integers(0, 9)) == 0:
            again = draw(st.sampled_from(sent))
            sent.append(Sent(again.contract, again.record, draw(st.integers(0, 3))))
        else:
            contract = draw(st.sampled_from(contracts))
            earlier = [one.record for one in sent if one.contract == contract]
            sent.append(Sent(contract, _record(draw, number, earlier), draw(_PAUSES)))
        script.append(sent[-1])
        if draw(st.integers(0, 2)) == 0:
            script.append(draw(st.sampled_from(ACTIONS)))
    return script


_STATUSES = st.sampled_from([*["ASSERTED"] * 9, *["CORRECTED"] * 5, *["RETRACTED"] * 4, "MAYBE"])
_PAUSES = st.sampled_from([0, 0, 1, 1, 2, 3, 5, 10])


def _record(draw: st.DrawFn, number: int, earlier: list[dict[str, Any]]) -> dict[str, Any]:
    """A new record, or a further revision of an earlier one: mostly a higher one, mostly under the same key."""
    record = {
        "entity_id": draw(st.sampled_from(["x", "y", "z|"])),
        "revision": draw(st.sampled_from([0, 0, 0, 1])),
        "source": draw(st.sampled_from(PARTIES)),
        "carrier": draw(st.sampled_from(["MU", "MU", "C|Z"])),
        "day": draw(st.sampled_from([1, 1, 2])),
    }
    if earlier and draw(st.integers(0, 2)):
        before = draw(st.sampled_from(earlier))
        kept = ["entity_id", "source", *(["carrier", "day"] if draw(st.integers(0, 4)) else [])]
        record |= {name: before[name] for name in kept}
        record["revision"] = max(0, before["revision"] + draw(st.sampled_from([1, 1, 1, 2, 0, -1])))
    return record | {
        "event_id": f"e{number}",
        "status": draw(_STATUSES),
        "occurred_at": START_MS + draw(st.integers(0, 6)),
        "published_at": START_MS + number,
        "region": draw(st.sampled_from(["420100", "110000"])),
        "row": draw(st.sampled_from([None, 0, 1, 1, 2])),
        "note": draw(st.sampled_from(["a", "b"])),
    }
