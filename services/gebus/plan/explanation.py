"""What a feed's plan means, as plain values: inputs, steps, state, and what is left of each field and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gebus.model.base import milliseconds
from gebus.model.event import AvroType
from gebus.model.feed import Feed, SelectStep, kind_and_name
from gebus.plan.expression import Constant, Expression, FieldValue, Items, Operation, conjuncts
from gebus.plan.footprint import BYTES_A_KEY, entry_bytes, follow_bytes
from gebus.plan.relation import JoinPlan, Relation, SidePlan
from gebus.plan.steps import DeduplicatePlan, StepPlan, WherePlan
from gebus.plan.values import FeedPlan, InputPlan, LanePlan, RekeyPlan
from gebus.plan.words import duration
from gebus.policy import Outcome


def explain(lanes: Sequence[LanePlan], feed: Feed) -> dict[str, Any]:
    """The plan of a feed, which is in one of `lanes`, as plain values: what `gebus explain --json` prints."""
    lane = next(lane for lane in lanes if any(plan.name == feed.id for plan in lane.feeds))
    plan = next(plan for plan in lane.feeds if plan.name == feed.id)
    return {
        "feed": plan.name,
        "title": {"zh": feed.title.zh, "en": feed.title.en},
        "consumer": plan.consumer,
        "purpose": plan.purpose,
        "tier": plan.tier,
        "grant": plan.grant
        and {
            "basis": plan.grant.basis,
            "approved_by": plan.grant.approved_by,
            "approved_on": plan.grant.approved_on.isoformat(),
            "expires_on": plan.grant.expires_on.isoformat(),
        },
        "delivers": {
            "topic": plan.topic,
            "partitions": plan.partitions,
            "retention": duration(milliseconds(plan.retention)),
            "schema": f"{plan.output_schema['namespace']}.{plan.output_schema['name']}",
        },
        "lane": {"name": lane.name, "slices": lane.partitions, "ordered": lane.ordered},
        "sources": list(_sources(lanes, lane, feed)),
        "steps": list(_steps(lane, plan, feed)),
        "corrections": _corrections(lanes, lane, plan, feed),
        "fields": [
            {
                "name": field.name,
                "of": field.of,
                "delivered": field.delivered,
                **_outcome(field.outcome),
                "emergency": None if field.emergency.mask == field.outcome.mask else _outcome(field.emergency),
            }
            for field in plan.fields
        ],
        "policy_lines": _cited(plan),
        "policy_version": lane.policy,
        "mode": plan.mode,
        "tokens": plan.tokens and plan.tokens.words,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome": outcome.words,
        "decided_by": outcome.decided_by,
        "reason": outcome.reason,
        "policy_line": outcome.line and outcome.line.code,
    }


def _sources(lanes: Sequence[LanePlan], lane: LanePlan, feed: Feed) -> Iterator[dict[str, Any]]:
    rekeys = {rekey.name: (writer, rekey) for writer in lanes for rekey in writer.rekeys}
    for alias, contract in feed.sources.items():
        part = next(part for part in lane.inputs if part.contract == contract)
        writer, rekey = rekeys.get(part.name, (None, None))
        yield {
            "alias": alias,
            "contract": contract,
            "topics": dict(part.topics),
            "key": list(part.key),
            "past": duration(part.past_ms),
            "future": duration(part.future_ms),
            "rekey": rekey and writer and _rekey(writer, rekey),
        }


def _rekey(writer: LanePlan, rekey: RekeyPlan) -> dict[str, Any]:
    return {
        "by": writer.name,
        "topic": rekey.topic,
        "partitions": rekey.partitions,
        "all": rekey.all,
        "retention": duration(milliseconds(rekey.retention)),
        "table": f"moves/{rekey.name}",
        "remembers_moves": rekey.moves_ms and duration(rekey.moves_ms),
    }


def _cited(plan: FeedPlan) -> list[dict[str, Any]]:
    outcomes = [outcome for field in plan.fields for outcome in field.outcomes]
    lines = {outcome.line.code: outcome.line for outcome in outcomes if outcome.line is not None}
    return [
        {"code": line.code, "source": line.source, "since": line.valid_from and line.valid_from.isoformat()}
        for line in lines.values()
    ]


def _steps(lane: LanePlan, plan: FeedPlan, feed: Feed) -> Iterator[dict[str, Any]]:
    """The steps in the order in which they were written."""
    relation = plan.relation
    of: dict[str, str] = {part.name: side.alias for side in (relation.sides if relation else ()) for part in side.steps}
    parts: dict[str, StepPlan] = {part.name: part for part in plan.steps}
    parts |= {part.name: part for side in (relation.sides if relation else ()) for part in side.steps}
    indexed = _indexed(plan)
    for step in feed.steps:
        kind, name = kind_and_name(step)
        if isinstance(step, SelectStep):
            yield {"step": kind, "name": name}
        elif name in parts:
            yield {**_step(lane, plan, parts[name], indexed), "of": of.get(name)}
        elif relation is not None:
            yield {"step": kind, "name": name, **_relation(lane, relation)}


def _indexed(plan: FeedPlan) -> str | None:
    """The one condition by which the kernel may find a feed: nothing but a first deduplicate stands before it."""
    if plan.relation is not None:
        return None
    first = plan.steps[1:2] if plan.steps and isinstance(plan.steps[0], DeduplicatePlan) else plan.steps[:1]
    return next((step.name for step in first if isinstance(step, WherePlan)), None)


def _step(lane: LanePlan, plan: FeedPlan, step: StepPlan, indexed: str | None) -> dict[str, Any]:
    if isinstance(step, WherePlan):
        index = list(dict.fromkeys(looked_up(step.when))) if step.name == indexed else []
        return {"step": "where", "name": step.name, "when": step.text, "index": index}
    table = lane.tables[step.table]
    return {
        "step": "deduplicate",
        "name": step.name,
        "key": list(table.key),
        "window": duration(table.window_ms),
        "table": table.name,
        "shared_with": [
            other.name for other in lane.feeds if other.name != plan.name and step.table in _tables_of(other)
        ],
        "bytes_per_million_keys": BYTES_A_KEY * 1_000_000,
    }


def _tables_of(plan: FeedPlan) -> set[int]:
    sides = plan.relation.sides if plan.relation is not None else ()
    steps = [*plan.steps, *(step for side in sides for step in side.steps)]
    return {step.table for step in steps if isinstance(step, DeduplicatePlan)}


def _relation(lane: LanePlan, relation: Relation) -> dict[str, Any]:
    """What a relation remembers, besides what it was told."""
    common = {
        "within": duration(relation.within_ms),
        "most": relation.most,
        "stores": [_store(lane.inputs[side.source], side, table) for side, table in _stores(relation)],
    }
    if isinstance(relation, JoinPlan):
        names = ("on", "matches", "unmatched", "follow")
        return {**{name: getattr(relation, name) for name in names}, "on": list(relation.on), **common}
    own = {"key": list(relation.key), "authority": list(relation.authority), "compare": list(relation.compare)}
    return {**own, "gives": relation.gives, **common}


def _stores(relation: Relation) -> Iterator[tuple[SidePlan, str]]:
    """Each side with the name of its table, as `gebus state` shows it."""
    if isinstance(relation, JoinPlan):
        yield relation.left, f"{relation.state}.left"
        yield relation.right, f"{relation.state}.right"
    else:
        yield relation.of, relation.state


def _store(part: InputPlan, side: SidePlan, table: str) -> dict[str, Any]:
    types: dict[str, AvroType] = {field["name"]: field["type"] for field in part.schema["fields"]}
    return {
        "table": table,
        "alias": side.alias,
        "fields": list(side.fields),
        "bytes_an_entry": entry_bytes(types[name] for name in side.fields),
    }


def _corrections(lanes: Sequence[LanePlan], lane: LanePlan, plan: FeedPlan, feed: Feed) -> dict[str, Any]:
    if plan.follow_ms is None:
        return {"mode": feed.corrections}
    keys = {part.contract: part.key for one in lanes for part in one.inputs if not part.internal}
    names = {part.name for part in lane.inputs}
    copied = {rekey.contract for one in lanes for rekey in one.rekeys if rekey.all and rekey.name in names}
    return {
        "mode": feed.corrections,
        "table": f"corrections/{plan.name}",
        "bytes_an_entity": follow_bytes(plan),
        "remembered": duration(plan.follow_ms),
        # Two revisions of an entity under different keys lie in different slices, and neither hears of the other.
        "not_heard": [
            {"contract": contract, "key": list(keys[contract])}
            for contract in feed.sources.values()
            if not set(keys[contract]) <= {"source", "entity_id"} and contract not in copied
        ],
    }


def looked_up(when: Expression) -> Iterator[str]:
    """The fields by one of which the kernel finds this feed, so that its condition costs others nothing."""
    for part in conjuncts(when):
        match part:
            case (
                Operation(op="eq", args=(FieldValue() as field, Constant() as constant))
                | Operation(op="eq", args=(Constant() as constant, FieldValue() as field))
            ) if field.type in ("string", "int") and constant.type == field.type:
                yield ".".join(field.path)
            case Operation(op="in", args=(FieldValue() as field, Items())) if field.type in ("string", "int"):
                yield ".".join(field.path)
            case Operation(op="starts_with", args=(FieldValue() as field, Constant())):
                yield ".".join(field.path)
