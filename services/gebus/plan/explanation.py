"""What a feed's plan means, for a person: sources, steps, state, and what is left of each field and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gebus.model.base import milliseconds
from gebus.model.feed import Feed
from gebus.plan.expression import Constant, Expression, FieldValue, Items, Operation, conjuncts
from gebus.plan.feed_planner import duration
from gebus.plan.steps import DeduplicatePlan, WherePlan
from gebus.plan.values import FeedPlan, LanePlan

BYTES_A_KEY = 20
"""What the kernel's table holds for a remembered key at most, once it has grown."""

_TIERS = {1: "the public", 2: "organisations", 3: "departments", 4: "the authority in charge"}


def explain(lane: LanePlan, feed: Feed) -> dict[str, Any]:
    """The plan of a feed as plain values: what `gebus explain --json` prints."""
    plan = next(plan for plan in lane.feeds if plan.name == feed.id)
    return {
        "feed": plan.name,
        "title": {"zh": feed.title.zh, "en": feed.title.en},
        "consumer": plan.consumer,
        "purpose": plan.purpose,
        "tier": plan.tier,
        "grant": {
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
        "source": {
            "lane": lane.name,
            "alias": next(iter(feed.sources)),
            "topics": dict(lane.inputs[0].topics),
            "key": list(lane.inputs[0].key),
            "partitions": lane.partitions,
            "past": duration(lane.inputs[0].past_ms),
            "future": duration(lane.inputs[0].future_ms),
        },
        "steps": [*_steps(lane, plan), {"step": "select", "name": plan.select}],
        "fields": [
            {
                "name": field.name,
                "of": field.source.name,
                "delivered": field.outcome.delivered,
                "outcome": field.outcome.words,
                "decided_by": field.outcome.decided_by,
                "reason": field.outcome.reason,
                "policy_line": field.outcome.line and field.outcome.line.code,
            }
            for field in plan.fields
        ],
        "policy_lines": _cited(plan),
    }


def _cited(plan: FeedPlan) -> list[dict[str, Any]]:
    lines = {field.outcome.line.code: field.outcome.line for field in plan.fields if field.outcome.line is not None}
    return [
        {"code": line.code, "source": line.source, "since": line.valid_from and line.valid_from.isoformat()}
        for line in lines.values()
    ]


def _steps(lane: LanePlan, plan: FeedPlan) -> Iterator[dict[str, Any]]:
    may_be_looked_up = True
    for index, step in enumerate(plan.steps):
        if isinstance(step, DeduplicatePlan):
            table = lane.tables[step.table]
            yield {
                "step": "deduplicate",
                "name": step.name,
                "key": list(table.key),
                "window": duration(table.window_ms),
                "table": table.name,
                "shared_with": [
                    other.name
                    for other in lane.feeds
                    if other.name != plan.name and any(_uses(part, step.table) for part in other.steps)
                ],
                "bytes_per_million_keys": BYTES_A_KEY * 1_000_000,
            }
            may_be_looked_up = may_be_looked_up and index == 0
        else:
            demanded = list(dict.fromkeys(looked_up(step.when))) if may_be_looked_up else []
            yield {"step": "where", "name": step.name, "when": step.text, "index": demanded}
            may_be_looked_up = False


def _uses(step: DeduplicatePlan | WherePlan, table: int) -> bool:
    return isinstance(step, DeduplicatePlan) and step.table == table


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


def render(explanation: dict[str, Any]) -> str:
    """The explanation as text, the same at every width of a terminal."""
    grant, delivers, source = explanation["grant"], explanation["delivers"], explanation["source"]
    tier = explanation["tier"]
    lines = [
        f"{explanation['feed']}: {explanation['title']['en']} ({explanation['title']['zh']})",
        "",
        f"  consumer   {explanation['consumer']}, for {explanation['purpose']}, tier {tier}: {_TIERS[tier]}",
        f"  grant      {grant['basis']}",
        f"             approved by {grant['approved_by']} on {grant['approved_on']}; "
        f"withheld from {grant['expires_on']} 00:00 UTC on",
        f"  delivers   {delivers['topic']}, {_counted(delivers['partitions'], 'partition')}, "
        f"kept {delivers['retention']}, as {delivers['schema']}",
        "",
        f"Source `{source['alias']}`: lane {source['lane']}",
        *(f"  reads      {topic}, written by {party}" for topic, party in source["topics"].items()),
        f"  key        {', '.join(source['key'])}; {_counted(source['partitions'], 'slice')}",
        f"  event time from {source['past']} before to {source['future']} after the log's append time; "
        "beyond, a dead letter",
        "",
        "Steps",
        *(f"  {number} {line}" for number, line in _numbered(explanation["steps"])),
        "",
        "Fields, after the envelope's eight, which pass",
        *_table(
            [field["name"], f"{source['alias']}.{field['of']}", field["outcome"], field["reason"]]
            for field in explanation["fields"]
            if field["decided_by"] != "envelope"
        ),
        "",
        "Policy",
        *(f"  {line['code']}: {line['source']}{_since(line['since'])}" for line in explanation["policy_lines"]),
    ]
    return "\n".join(lines) + "\n"


def _numbered(steps: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for number, step in enumerate(steps, 1):
        first, *more = _step_lines(step)
        yield str(number), f"{step['step']} {step['name']}: {first}"
        for line in more:
            yield " ", f"  {line}"


def _step_lines(step: dict[str, Any]) -> list[str]:
    if step["step"] == "deduplicate":
        shared = ", ".join(step["shared_with"])
        return [
            f"the first of each {', '.join(step['key'])} within {step['window']}",
            f"state: table {step['table']}, at most {step['bytes_per_million_keys'] // 1_000_000} MB a million keys"
            + (f", shared with {shared}" if shared else ", of this feed alone"),
        ]
    if step["step"] == "where":
        found = (
            f"found by {', '.join(step['index'])}"
            if step["index"]
            else "no index: tried on every record that comes this far"
        )
        return [step["when"], found]
    return ["the envelope and the fields below"]


def _table(rows: Iterable[list[str]]) -> Iterator[str]:
    written = [["field", "of", "delivered", "why"], *rows]
    widths = [max(len(row[column]) for row in written) for column in range(3)]
    for row in written:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        yield f"  {'  '.join(cells)}  {row[3]}"


def _since(day: str | None) -> str:
    return f", since {day}" if day else ""


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
