"""A join or a reconcile step: whether it fits the feed, what later steps may name, and its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from gebus.model.base import milliseconds
from gebus.model.event import ENVELOPE
from gebus.model.feed import Feed, JoinStep, ReconcileStep, Step, kind_and_name
from gebus.model.relation import Join, Reconcile
from gebus.model.topic import TopicContract
from gebus.plan.inputs import joined_on
from gebus.plan.origin import Origin, differences
from gebus.plan.refusal import KeyPath, Problem, Refusal
from gebus.plan.relation import JoinPlan, ReconcilePlan, Relation, SidePlan
from gebus.plan.schema import composite_schema, definitions
from gebus.plan.words import duration

WINNER, CONFLICT = "winner", "conflict"
"""What steps after a reconcile that gives conflicts call the winning record, and what it differs in."""

_KEY_WORDS = "string, int, long or date, never null"
_KEY_TYPES = ("string", "int", "long", "date")


def relation_of(feed: Feed) -> JoinStep | ReconcileStep | None:
    """The first step of the feed that brings records together."""
    return next((step for step in feed.steps if isinstance(step, JoinStep | ReconcileStep)), None)


def check_relation(feed: Feed, origins: Mapping[str, Origin], contracts: Mapping[str, TopicContract]) -> list[Problem]:
    """Everything that stands against the sources of a feed and against its relation."""
    found = [(index, step) for index, step in enumerate(feed.steps) if isinstance(step, JoinStep | ReconcileStep)]
    problems = [_second(feed, index, step) for index, step in found[1:]]
    if not found and len(feed.sources) > 1:
        refusal = Refusal(
            f"{len(feed.sources)} sources: {', '.join(sorted(feed.sources.values()))}",
            "one source, or two and a join",
            "join them, or write a feed for each source",
        )
        problems.append(Problem(feed, ("sources",), "sources", refusal))
    if found and not problems:
        index, step = found[0]
        kind, name = kind_and_name(step)
        match step:
            case JoinStep(join=join):
                refusals = _join_refusals(feed, join, origins)
            case ReconcileStep(reconcile=reconcile):
                refusals = _reconcile_refusals(feed, reconcile, origins, contracts)
        problems += [Problem(feed, ("steps", index, kind, *refusal.path), name, refusal) for refusal in refusals]
    return problems


def _second(feed: Feed, index: int, step: Step) -> Problem:
    kind, name = kind_and_name(step)
    refusal = Refusal(f"a second step that brings records together, `{kind}`", "one join or reconcile in a feed", "")
    return Problem(feed, ("steps", index, kind), name, refusal)


def _join_refusals(feed: Feed, join: Join, origins: Mapping[str, Origin]) -> Iterator[Refusal]:
    unknown = [side for side in ("left", "right") if getattr(join, side) not in feed.sources]
    for side in unknown:
        known = ", ".join(feed.sources)
        yield Refusal(f"`{getattr(join, side)}` is no source of the feed", known, path=(side,))
    if unknown:
        return
    if join.left == join.right or len(feed.sources) > 2:
        sides, sources = f"`{join.left}` and `{join.right}`", ", ".join(feed.sources)
        yield Refusal(f"a join of {sides} in a feed of {sources}", "the two sources of the feed, one on each side")
        return
    if len(set(feed.sources.values())) == 1:
        topic = feed.sources[join.left]
        yield Refusal(f"both sides are {topic}", "two topic contracts", "a contract is not joined with itself")
    yield from _names(feed)
    yield from _memory(feed, join.within)
    yield from _choices(join)
    yield from _on(join, origins[join.left], origins[join.right])


def _names(feed: Feed, *more: str) -> Iterator[Refusal]:
    """A side is a field of the composite record, so it may not be called as another one is."""
    taken = (*ENVELOPE, *more)
    for alias in feed.sources:
        if alias in taken:
            yield Refusal(f"the source is called `{alias}`", f"any name but {', '.join(taken)}", "call it otherwise")


def _memory(feed: Feed, within: timedelta) -> Iterator[Refusal]:
    """What a consumer still holds is remembered: else its correction would be lost, or be taken for an old one."""
    if feed.corrections == "follow" and within < feed.retention:
        spans = [duration(milliseconds(span)) for span in (within, feed.retention)]
        found = f"`within: {spans[0]}` with `corrections: follow`, in a feed that keeps a record {spans[1]}"
        advice = f"write `within: {spans[1]}` or more, or `retention: {spans[0]}` or less"
        yield Refusal(found, "at least the feed's `retention`", advice, path=("within",))


def _choices(join: Join) -> Iterator[Refusal]:
    """What is left over, and which side is copied, must have one meaning."""
    table = join.matches != "each-pair"
    if table and join.unmatched in ("right", "both"):
        found = f"`unmatched: {join.unmatched}` with `matches: {join.matches}`"
        yield Refusal(found, "wait or left: the right side is a table, whose rows are not told", path=("unmatched",))
    if join.broadcast == "left" and table:
        found = f"`broadcast: left` with `matches: {join.matches}`"
        yield Refusal(
            found, "none or right: each slice would answer the left side from its own rows", path=("broadcast",)
        )
    elif join.broadcast != "none" and join.unmatched in (join.broadcast, "both"):
        other = "right" if join.broadcast == "left" else "left"
        found = f"`unmatched: {join.unmatched}` with `broadcast: {join.broadcast}`"
        allowed = f"wait or {other}: a copied record can be left over in one slice and matched in another"
        yield Refusal(found, allowed, path=("unmatched",))


def _on(join: Join, left: Origin, right: Origin) -> Iterator[Refusal]:
    both = ", ".join(name for name in left.types if name in right.types and name not in ENVELOPE)
    for index, name in enumerate(join.on):
        path: KeyPath = ("on", index)
        missing = [alias for alias, side in ((join.left, left), (join.right, right)) if name not in side.types]
        kinds = [side.key_type(name) for side in (left, right)]
        if missing:
            allowed = f"fields that both sides have: {both}" if both else "fields that both sides have"
            yield Refusal(f"`{missing[0]}` has no field `{name}`", allowed, path=path)
        elif kinds[0] not in _KEY_TYPES or kinds[1] not in _KEY_TYPES:
            alias, side = (join.left, left) if kinds[0] not in _KEY_TYPES else (join.right, right)
            yield Refusal(f"`{alias}.{name}` is {_kind(side, name)}", f"fields of type {_KEY_WORDS}", path=path)
        elif kinds[0] != kinds[1]:
            found = f"`{name}` is {_kind(left, name)} in `{join.left}` and {_kind(right, name)} in `{join.right}`"
            advice = "bring one contract to the other's type first"
            yield Refusal(found, "fields of the same type on both sides", advice, path=path)
    yield from _repeats(join.on, "on")


def _reconcile_refusals(
    feed: Feed, step: Reconcile, origins: Mapping[str, Origin], contracts: Mapping[str, TopicContract]
) -> Iterator[Refusal]:
    if step.of not in feed.sources:
        yield Refusal(f"`{step.of}` is no source of the feed", ", ".join(feed.sources), path=("of",))
        return
    if len(feed.sources) > 1:
        found = f"{len(feed.sources)} sources: {', '.join(feed.sources)}"
        yield Refusal(found, "one source: its publishers are the parties that are reconciled", path=("of",))
        return
    yield from _memory(feed, step.within)
    yield from _names(feed, *((WINNER, CONFLICT, "differs") if step.gives == "conflicts" else ()))
    origin, contract = origins[step.of], contracts[step.of]
    for index, name in enumerate(step.key):
        if name not in origin.types:
            yield Refusal(f"`{step.of}` has no field `{name}`", ", ".join(origin.types), path=("key", index))
        elif origin.key_type(name) not in _KEY_TYPES:
            found = f"`{step.of}.{name}` is {_kind(origin, name)}"
            yield Refusal(found, f"fields of type {_KEY_WORDS}", path=("key", index))
    for index, name in enumerate(step.compare):
        if name not in origin.types:
            yield Refusal(f"`{step.of}` has no field `{name}`", ", ".join(origin.types), path=("compare", index))
    for index, party in enumerate(step.authority):
        if party not in contract.publishers:
            found = f"{party} is no publisher of {contract.topic}"
            yield Refusal(found, ", ".join(contract.publishers), path=("authority", index))
    for part in ("key", "compare", "authority"):
        yield from _repeats(getattr(step, part), part)


def _repeats(names: Sequence[str], part: str) -> Iterator[Refusal]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Refusal(f"{name} is written twice", "each once", path=(part, index))


def _kind(origin: Origin, name: str) -> str:
    avro = origin.type(name)
    if isinstance(avro, list):
        return "nullable"
    kind = avro if isinstance(avro, str) else avro.get("logicalType") or avro["type"]
    return f"of type {kind}"


def scope_after(step: JoinStep | ReconcileStep, origins: Mapping[str, Origin]) -> Mapping[str, Origin]:
    """What the steps after a relation can name."""
    match step:
        case JoinStep(join=join):
            missing = {join.left: join.unmatched in ("right", "both"), join.right: join.unmatched in ("left", "both")}
            return {
                alias: replace(origins[alias], place=(alias,), optional=optional) for alias, optional in missing.items()
            }
        case ReconcileStep(reconcile=part):
            scope = {part.of: replace(origins[part.of], place=(part.of,))}
            if part.gives == "conflicts":
                scope |= {
                    WINNER: replace(origins[part.of], place=(WINNER,)),
                    CONFLICT: differences(origins[part.of], part.compare),
                }
            return scope


def plan_relation(
    feed: Feed,
    step: JoinStep | ReconcileStep,
    sides: Mapping[str, SidePlan],
    scope: Mapping[str, Origin],
    contracts: Mapping[str, TopicContract],
) -> Relation:
    """The plan of a relation whose `sides` name the fields that later steps use; its own are kept besides."""
    match step:
        case JoinStep(join=join):
            return _join(feed, join, sides, scope, contracts)
        case ReconcileStep(reconcile=reconcile):
            return _reconcile(feed, reconcile, sides[reconcile.of], scope)


def _join(
    feed: Feed,
    join: Join,
    sides: Mapping[str, SidePlan],
    scope: Mapping[str, Origin],
    contracts: Mapping[str, TopicContract],
) -> JoinPlan:
    kept = {alias: _keeping(sides[alias], scope[alias], join.on) for alias in (join.left, join.right)}
    return JoinPlan(
        name=join.name,
        state=f"{feed.id}.{join.name}",
        left=kept[join.left],
        right=kept[join.right],
        on=joined_on(join, contracts[join.left], contracts[join.right]),
        within_ms=milliseconds(join.within),
        matches=join.matches,
        unmatched=join.unmatched,
        broadcast=join.broadcast,
        most=join.most,
        follow=feed.corrections == "follow",
        schema=_composite(kept, scope, differs=False),
    )


def _reconcile(feed: Feed, step: Reconcile, side: SidePlan, scope: Mapping[str, Origin]) -> ReconcilePlan:
    kept = _keeping(side, scope[step.of], (*step.key, *step.compare))
    records = {name: kept for name in (step.of, WINNER) if name in scope}
    return ReconcilePlan(
        name=step.name,
        state=f"{feed.id}.{step.name}",
        of=kept,
        key=step.key,
        authority=step.authority,
        within_ms=milliseconds(step.within),
        compare=step.compare,
        gives=step.gives,
        most=step.most,
        schema=_composite(records, scope, differs=step.gives == "conflicts"),
    )


def _keeping(side: SidePlan, origin: Origin, names: Sequence[str]) -> SidePlan:
    kept = {*ENVELOPE, *side.fields, *names}
    return replace(side, fields=tuple(name for name in origin.types if name in kept))


def _composite(sides: Mapping[str, SidePlan], scope: Mapping[str, Origin], *, differs: bool) -> object:
    known: dict[str, object] = {}
    for alias, side in sides.items():
        for name in side.fields:
            for full, definition in definitions(scope[alias].types[name]).items():
                if known.setdefault(full, definition) != definition:
                    found = f"`{alias}.{name}` brings a type {full} that differs from another side's of that name"
                    raise Refusal(found, "one form for each name", "give one of the two types another name")
    return composite_schema(
        [
            (alias, [(name, scope[alias].types[name]) for name in side.fields], scope[alias].optional)
            for alias, side in sides.items()
        ],
        differs=differs,
    )
