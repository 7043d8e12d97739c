"""One feed -> its plan in the lane of its source."""

from __future__ import annotations

from datetime import UTC, datetime, time

from gebus.model.base import milliseconds
from gebus.model.event import ENVELOPE, EventSchema, Mask
from gebus.model.feed import (
    Deduplicate,
    DeduplicateStep,
    Feed,
    Select,
    SelectedField,
    SelectStep,
    Step,
    Where,
    WhereStep,
)
from gebus.model.mask import mask_of
from gebus.model.topic import TopicContract
from gebus.plan.condition import compile_condition
from gebus.plan.refusal import KeyPath, Problem, Refusal
from gebus.plan.schema import delivered_type, inline, output_schema
from gebus.plan.values import DeduplicatePlan, FeedPlan, FieldPlan, TablePlan, WherePlan
from gebus.policy import Policy, decide, inapplicable

_KEY_TYPES = ("string", "int", "long")
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


class FeedPlanner:
    """Plans the feeds of one source, and gathers the tables that they share."""

    def __init__(self, contract: TopicContract, event: EventSchema, policy: Policy) -> None:
        self._contract, self._event, self._policy = contract, event, policy
        self._record = inline(event.avro)
        self._types = {field["name"]: field["type"] for field in self._record["fields"]}
        self._tables: dict[str, TablePlan] = {}

    @property
    def tables(self) -> tuple[TablePlan, ...]:
        """The tables of all feeds planned so far."""
        return tuple(self._tables.values())

    def plan(self, feed: Feed) -> tuple[FeedPlan | None, list[Problem]]:
        """The plan of a feed, or everything that stands against it."""
        steps: list[DeduplicatePlan | WherePlan] = []
        fields: list[FieldPlan] = []
        problems = [] if _select_is_last(feed) else [_misplaced_select(feed)]
        select = ""
        for index, step in enumerate(feed.steps):
            try:
                match step:
                    case DeduplicateStep(deduplicate=part):
                        steps.append(self._deduplicate(feed, part, first=index == 0))
                    case WhereStep(where=where):
                        steps.append(self._where(feed, where))
                    case SelectStep(select=part_select):
                        select = part_select.name
                        fields, found = self._select(feed, part_select, ("steps", index, "select", "fields"))
                        problems += found
            except Refusal as refusal:
                problems.append(Problem(feed, ("steps", index, *refusal.path), _name(step), refusal))
        if problems:
            return None, problems
        return self._feed_plan(feed, tuple(steps), select, tuple(fields)), []

    def _feed_plan(
        self, feed: Feed, steps: tuple[DeduplicatePlan | WherePlan, ...], select: str, fields: tuple[FieldPlan, ...]
    ) -> FeedPlan:
        expires = datetime.combine(feed.grant.expires_on, time(), UTC)
        return FeedPlan(
            name=feed.id,
            topic=feed.kafka_topic,
            consumer=feed.consumer,
            purpose=feed.purpose,
            tier=feed.tier,
            partitions=feed.partitions,
            retention=feed.retention,
            grant=feed.grant,
            grant_expires_ms=int(expires.timestamp()) * 1000,
            steps=steps,
            select=select,
            fields=fields,
            output_schema=output_schema(feed.consumer, feed.feed, fields, f"{feed.title.en} ({feed.title.zh})"),
        )

    def _deduplicate(self, feed: Feed, step: Deduplicate, *, first: bool) -> DeduplicatePlan:
        key = tuple(dict.fromkeys(step.key))
        if step.of not in feed.sources:
            raise Refusal(f"`{step.of}` is no source of the feed", ", ".join(feed.sources), path=("deduplicate", "of"))
        for name in key:
            if self._types.get(name) is None or _key_type(self._types[name]) not in _KEY_TYPES:
                allowed = "fields of type string, int or long, never null"
                raise Refusal(f"`{name}` as part of the key", allowed, path=("deduplicate", "key"))
        if "event_id" not in key and not set(self._contract.key) <= set(key):
            raise Refusal(
                f"the key {', '.join(key)}: records that it calls equal can lie in different partitions, "
                f"and each partition is deduplicated on its own",
                f"event_id, or all key fields of {self._contract.topic}: {', '.join(self._contract.key)}",
                path=("deduplicate", "key"),
            )
        window = milliseconds(step.within)
        name = f"{'+'.join(key)}.{duration(window)}" if first else f"{feed.id}.{step.name}"
        self._tables.setdefault(name, TablePlan(name, key, window))
        return DeduplicatePlan(step.name, list(self._tables).index(name))

    def _where(self, feed: Feed, step: Where) -> WherePlan:
        try:
            when = compile_condition(step.when, dict.fromkeys(feed.sources, self._record))
        except Refusal as refusal:
            refusal.path = ("where", "when")
            raise
        return WherePlan(step.name, step.when, when)

    def _select(self, feed: Feed, step: Select, path: KeyPath) -> tuple[list[FieldPlan], list[Problem]]:
        fields = [self._planned(name, name, feed.tier, None) for name in ENVELOPE]
        problems = []
        for name, choice in step.fields.items():
            try:
                fields.append(self._field(feed, name, choice))
            except Refusal as refusal:
                problems.append(Problem(feed, (*path, name), f"{step.name}.{name}", refusal))
        return fields, problems

    def _field(self, feed: Feed, name: str, choice: str | SelectedField) -> FieldPlan:
        if name in ENVELOPE:
            raise Refusal(f"`{name}` is selected", "other names: the envelope is delivered without being asked for")
        text = choice if isinstance(choice, str) else choice.of
        alias, _, source_name = text.partition(".")
        if alias not in feed.sources:
            raise Refusal(f"`{text}`", f"<source>.<field>, where the source is {', '.join(feed.sources)}")
        field = self._event.field(source_name)
        if field is None:
            allowed = ", ".join(known.name for known in self._event.fields)
            raise Refusal(f"`{alias}` has no field `{source_name}`", allowed)
        author = None if isinstance(choice, str) else mask_of(choice.mask)
        if author is not None and (problem := inapplicable(author, field.plain_type)):
            raise Refusal(problem, "a mask that fits the type of the field")
        return self._planned(name, source_name, feed.tier, author)

    def _planned(self, name: str, source_name: str, tier: int, author: Mask | None) -> FieldPlan:
        field = self._event.field(source_name)
        if field is None:
            raise AssertionError("the catalogue refuses an event without its envelope")
        outcome = decide(field, tier, self._policy, author)
        return FieldPlan(name, field, outcome, delivered_type(field, self._types[field.name], outcome.mask))


def _name(step: Step) -> str:
    match step:
        case DeduplicateStep(deduplicate=part):
            return part.name
        case WhereStep(where=where):
            return where.name
        case SelectStep(select=select):
            return select.name


def duration(window_ms: int) -> str:
    """The milliseconds as the catalogue writes them: the largest unit that divides them."""
    unit, size = next((unit, size) for unit, size in _UNITS if window_ms % size == 0)
    return f"{window_ms // size}{unit}"


def _select_is_last(feed: Feed) -> bool:
    return [isinstance(step, SelectStep) for step in feed.steps] == [False] * (len(feed.steps) - 1) + [True]


def _misplaced_select(feed: Feed) -> Problem:
    kinds = [next(iter(type(step).model_fields)) for step in feed.steps]
    refusal = Refusal(f"the steps {', '.join(kinds)}", "exactly one select, as the last step")
    return Problem(feed, ("steps",), "steps", refusal)


def _key_type(avro: object) -> object:
    return avro.get("type") if isinstance(avro, dict) else avro
