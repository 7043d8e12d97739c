"""One feed -> its plan in the lane of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from gebus.model.base import milliseconds
from gebus.model.feed import (
    Deduplicate,
    DeduplicateStep,
    Feed,
    JoinStep,
    ReconcileStep,
    SelectStep,
    Where,
    WhereStep,
    kind_and_name,
)
from gebus.plan.condition import compile_condition
from gebus.plan.expression import fields_of
from gebus.plan.inputs import Input
from gebus.plan.origin import Origin, derived_envelope
from gebus.plan.refusal import Problem, Refusal
from gebus.plan.relation import Relation, SidePlan
from gebus.plan.relation_planner import CONFLICT, WINNER, plan_relation, relation_of, scope_after
from gebus.plan.schema import output_schema
from gebus.plan.selection import Selection
from gebus.plan.steps import DeduplicatePlan, StepPlan, WherePlan
from gebus.plan.values import FeedPlan, FieldPlan, TablePlan
from gebus.plan.words import duration
from gebus.policy import Policy, TokenRule

_FOR_EVER = (1 << 63) - 1


@dataclass(slots=True)
class _Draft:
    """A feed while its steps are gone through: what a step can name, and the plans so far."""

    feed: Feed
    sources: Mapping[str, Input]
    scope: Mapping[str, Origin]
    relation: JoinStep | ReconcileStep | None
    """The relation of the feed."""
    related: bool = False
    """Whether the steps have come to it."""
    before: dict[str, list[StepPlan]] = field(default_factory=dict)
    after: list[StepPlan] = field(default_factory=list)
    tokens: TokenRule | None = None
    used: dict[str, set[str]] = field(default_factory=dict)
    """The fields of each alias that steps after the relation name."""

    @property
    def relation_name(self) -> str:
        return "" if self.relation is None else kind_and_name(self.relation)[1]

    def steps_of(self, alias: str) -> list[StepPlan]:
        """The list that a step on this alias belongs to."""
        return self.after if self.relation is None or self.related else self.before.setdefault(alias, [])

    def use(self, path: Sequence[str]) -> None:
        """A step reads what lies at this path of its record."""
        if self.related and len(path) > 1:
            self.used.setdefault(path[0], set()).add(path[1])


class FeedPlanner:
    """Plans the feeds of one lane, and gathers the tables that they share."""

    def __init__(self, inputs: Sequence[Input], origins: Mapping[str, Origin], policy: Policy) -> None:
        """`inputs` in the order of the lane; `origins` by the name of the topic contract."""
        self._inputs, self._origins, self._policy = tuple(inputs), origins, policy
        self._tables: dict[str, TablePlan] = {}

    @property
    def tables(self) -> tuple[TablePlan, ...]:
        """The tables of all feeds planned so far."""
        return tuple(self._tables.values())

    def plan(self, feed: Feed, sources: Mapping[str, Input]) -> tuple[FeedPlan | None, list[Problem]]:
        """The plan of a feed whose aliases are these inputs, or everything that stands against it."""
        scope = {alias: self._origins[part.contract.topic] for alias, part in sources.items()}
        draft = _Draft(feed, sources, scope, relation_of(feed))
        fields: list[FieldPlan] = []
        problems = [] if _select_is_last(feed) else [_misplaced_select(feed)]
        for index, step in enumerate(feed.steps):
            kind, name = kind_and_name(step)
            try:
                match step:
                    case DeduplicateStep(deduplicate=part):
                        draft.steps_of(part.of).append(self._deduplicate(draft, part))
                    case WhereStep(where=where):
                        draft.steps_of(where.of or "").append(self._where(draft, where))
                    case JoinStep() | ReconcileStep():
                        draft.scope, draft.related = scope_after(step, draft.scope), True
                    case SelectStep(select=select):
                        envelope = derived_envelope() if draft.related else next(iter(draft.scope.values()))
                        selection = Selection(feed, envelope, draft.scope, self._policy)
                        fields, found = selection.plan(select, ("steps", index, kind, "fields"))
                        problems += found
                        draft.tokens = selection.tokens(fields)
                        for one in fields:
                            draft.use(one.path)
            except Refusal as refusal:
                problems.append(Problem(feed, ("steps", index, kind, *refusal.path), name, refusal))
        if problems:
            return None, problems
        try:
            return self._feed_plan(draft, fields), []
        except Refusal as refusal:
            return None, [Problem(feed, ("sources",), "sources", refusal)]

    def _feed_plan(self, draft: _Draft, fields: Sequence[FieldPlan]) -> FeedPlan:
        feed = draft.feed
        expires = None if feed.grant is None else datetime.combine(feed.grant.expires_on, time(), UTC)
        follow = feed.corrections == "follow"
        return FeedPlan(
            name=feed.id,
            topic=feed.kafka_topic,
            consumer=feed.consumer,
            purpose=feed.purpose,
            tier=feed.tier,
            partitions=feed.partitions,
            retention=feed.retention,
            grant=feed.grant,
            grant_expires_ms=_FOR_EVER if expires is None else int(expires.timestamp()) * 1000,
            source=self._inputs.index(next(iter(draft.sources.values()))) if len(draft.sources) == 1 else None,
            relation=self._relation(draft),
            steps=tuple(draft.after),
            follow_ms=milliseconds(feed.retention) if follow else None,
            select=kind_and_name(feed.steps[-1])[1],
            fields=tuple(fields),
            output_schema=output_schema(feed.consumer, feed.feed, fields, f"{feed.title.en} ({feed.title.zh})"),
            mode=feed.mode,
            tokens=draft.tokens,
        )

    def _relation(self, draft: _Draft) -> Relation | None:
        if draft.relation is None:
            return None
        sides = {}
        for alias, part in draft.sources.items():
            used = draft.used.get(alias, set()) | draft.used.get(WINNER, set())
            fields = tuple(name for name in draft.scope[alias].types if name in used)
            sides[alias] = SidePlan(self._inputs.index(part), alias, tuple(draft.before.get(alias, ())), fields)
        contracts = {alias: part.contract for alias, part in draft.sources.items()}
        return plan_relation(draft.feed, draft.relation, sides, draft.scope, contracts)

    def _deduplicate(self, draft: _Draft, step: Deduplicate) -> DeduplicatePlan:
        return self._of_composite(draft, step) if draft.related else self._of_source(draft, step)

    def _of_source(self, draft: _Draft, step: Deduplicate) -> DeduplicatePlan:
        key = tuple(dict.fromkeys(step.key))
        if step.of not in draft.sources:
            raise Refusal(f"`{step.of}` is no source of the feed", ", ".join(draft.sources), path=("of",))
        part, origin = draft.sources[step.of], draft.scope[step.of]
        for name in key:
            if origin.key_type(name) is None:
                raise _key_part(name, "fields")
        if part.how != "broadcast" and "event_id" not in key and not set(part.key) <= set(key):
            keys = "key fields" if part.how == "as it is" else "fields of the Kafka key"
            raise _split(key, f"event_id, or all {keys} of {part.name}: {', '.join(part.key)}")
        _keeps_revisions(draft, key, ("",))
        window = milliseconds(step.within)
        shared = f"{'+'.join(key)}.{duration(window)}"
        shared = shared if len(self._inputs) == 1 else f"{part.name}.{shared}"
        name = f"{draft.feed.id}.{step.name}" if draft.steps_of(step.of) else shared
        return self._table(step, TablePlan(name, self._inputs.index(part), key, window))

    def _of_composite(self, draft: _Draft, step: Deduplicate) -> DeduplicatePlan:
        key = tuple(dict.fromkeys(step.key))
        if step.of != draft.relation_name:
            found, advice = f"`of: {step.of}` behind {draft.relation_name}", f"or put it before {draft.relation_name}"
            raise Refusal(found, draft.relation_name, advice, path=("of",))
        sides = {alias: origin for alias, origin in draft.scope.items() if alias != CONFLICT}
        for name in key:
            alias, _, part = name.partition(".")
            if alias not in sides or sides[alias].key_type(part) is None:
                missing = alias in sides and sides[alias].optional and part in sides[alias].types
                raise _key_part(name, "<alias>.<field>", f"`{alias}` may be missing" if missing else "")
            draft.use((alias, part))
        self._one_slice(draft, key, sides)
        _keeps_revisions(draft, key, tuple(f"{alias}." for alias in sides))
        table = TablePlan(f"{draft.feed.id}.{step.name}", None, key, milliseconds(step.within), draft.feed.id)
        return self._table(step, table)

    def _one_slice(self, draft: _Draft, key: tuple[str, ...], sides: Mapping[str, Origin]) -> None:
        """Records that are equal by `key` lie in one slice, or it is refused."""
        alone = [alias for alias, part in draft.sources.items() if part.how != "broadcast"]
        if WINNER in sides:
            alone.append(WINNER)
        part = draft.sources[alone[0]]
        ways = [way for alias in alone for way in ([f"{alias}.event_id"], [f"{alias}.{name}" for name in part.key])]
        if not any(set(way) <= set(key) for way in ways):
            raise _split(key, "a key with " + ", or with ".join(" and ".join(way) for way in ways))

    def _table(self, step: Deduplicate, table: TablePlan) -> DeduplicatePlan:
        self._tables.setdefault(table.name, table)
        return DeduplicatePlan(step.name, list(self._tables).index(table.name))

    def _where(self, draft: _Draft, step: Where) -> WherePlan:
        scope = _scope_of(draft, step)
        try:
            places = {alias: origin.place for alias, origin in scope.items()}
            when = compile_condition(step.when, {alias: origin.record for alias, origin in scope.items()}, places)
        except Refusal as refusal:
            refusal.path = ("when",)
            others = [alias for alias in draft.scope if alias not in scope]
            if any(refusal.found.startswith(f"`{alias}.") for alias in others):
                refusal.next_step = f"a condition on both sides stands behind {draft.relation_name}"
            raise
        for value in fields_of(when):
            draft.use(value.path)
        return WherePlan(step.name, step.when, when)


def _scope_of(draft: _Draft, step: Where) -> Mapping[str, Origin]:
    """What a condition can name: before a relation the one side that it decides on."""
    if draft.relation is None or draft.related:
        if step.of is not None:
            raise Refusal(f"`of: {step.of}`", "`of` before a join or reconcile alone", "leave it out", path=("of",))
        return draft.scope
    if step.of is None or step.of not in draft.sources:
        found = "no `of`" if step.of is None else f"`of: {step.of}`"
        advice = f"say which side it decides on, or put it behind {draft.relation_name}"
        raise Refusal(found, ", ".join(draft.sources), advice, path=() if step.of is None else ("of",))
    return {step.of: draft.scope[step.of]}


def _key_part(name: str, fields: str, why: str = "") -> Refusal:
    found = f"`{name}` as part of the key" + (f": {why}" if why else "")
    return Refusal(found, f"{fields} of type string, int or long, never null", path=("key",))


def _split(key: tuple[str, ...], allowed: str) -> Refusal:
    found = (
        f"the key {', '.join(key)}: records that it calls equal can lie in different partitions, "
        f"and each partition is deduplicated on its own"
    )
    return Refusal(found, allowed, path=("key",))


def _keeps_revisions(draft: _Draft, key: tuple[str, ...], prefixes: Sequence[str]) -> None:
    """Under `follow`, a correction is no repeat of what it corrects."""
    for prefix in prefixes:
        if draft.feed.corrections == "follow" and not {f"{prefix}event_id", f"{prefix}revision"} & set(key):
            raise Refusal(
                f"the key {', '.join(key)} with `corrections: follow`: a correction would be a repeat",
                f"a key with {prefix}event_id or {prefix}revision",
                path=("key",),
            )


def _select_is_last(feed: Feed) -> bool:
    return [isinstance(step, SelectStep) for step in feed.steps] == [False] * (len(feed.steps) - 1) + [True]


def _misplaced_select(feed: Feed) -> Problem:
    kinds = [kind_and_name(step)[0] for step in feed.steps]
    refusal = Refusal(f"the steps {', '.join(kinds)}", "exactly one select, as the last step")
    return Problem(feed, ("steps",), "steps", refusal)
