"""An explanation as text, the same at every width of a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gebus.plan.words import relation_lines

_TIERS = {1: "the public", 2: "organisations", 3: "departments", 4: "the authority in charge"}


def _grant(grant: dict[str, str] | None, feed: str) -> list[str]:
    if grant is None:
        return [f"  grant      none on paper; `gebus grant request {feed}` asks for one, and nothing flows without"]
    return [
        f"  grant      {grant['basis']}",
        f"             approved by {grant['approved_by']} on {grant['approved_on']}; "
        f"withheld from {grant['expires_on']} 00:00 UTC on",
    ]


def render(explanation: dict[str, Any]) -> str:
    """What `gebus explain` prints of the values of `explain`."""
    grant, delivers, lane = explanation["grant"], explanation["delivers"], explanation["lane"]
    tier = explanation["tier"]
    lines = [
        f"{explanation['feed']}: {explanation['title']['en']} ({explanation['title']['zh']})",
        "",
        f"  consumer   {explanation['consumer']}, for {explanation['purpose']}, tier {tier}: {_TIERS[tier]}",
        *_grant(grant, explanation["feed"]),
        f"  delivers   {delivers['topic']}, {_counted(delivers['partitions'], 'partition')}, "
        f"kept {delivers['retention']}, as {delivers['schema']}",
        f"  lane       {lane['name']}, {_counted(lane['slices'], 'slice')}"
        + (", its records taken in the order of the log's time over all topics" if lane["ordered"] else ""),
        *(line for source in explanation["sources"] for line in ("", *_source(source))),
        "",
        "Steps",
        *(f"  {number} {line}" for number, line in _numbered(explanation)),
        "",
        f"Corrections: {explanation['corrections']['mode']}",
        *(f"  {line}" for line in _corrections(explanation)),
        "",
        "Fields, after the envelope's eight, which pass",
        *_table(row for field in explanation["fields"] if field["name"] != field["of"] for row in _rows(field)),
        *([f"  tokens: {explanation['tokens']}"] if explanation["tokens"] else []),
        "",
        f"Policy {explanation['policy_version']}",
        *(f"  {line['code']}: {line['source']}{_since(line['since'])}" for line in explanation["policy_lines"]),
    ]
    return "\n".join(lines) + "\n"


def _source(source: dict[str, Any]) -> Iterator[str]:
    rekey = source["rekey"]
    yield f"Source `{source['alias']}`: {source['contract']}"
    if rekey is None:
        yield from (f"  reads      {topic}, written by {party}" for topic, party in source["topics"].items())
    else:
        yield f"  reads      {rekey['topic']}, written by the lane {rekey['by']}, kept {rekey['retention']}"
        copies = "one copy to each of" if rekey["all"] else "copied under this key to"
        yield f"  copies     {copies} {_counted(rekey['partitions'], 'partition')}"
        if rekey["remembers_moves"]:
            yield "             a revision under another key than the one before it goes to both places"
            yield f"  state      table {rekey['table']} of the lane {rekey['by']}, kept {rekey['remembers_moves']}"
    yield f"  key        {', '.join(source['key'])}"
    yield (
        f"  event time from {source['past']} before to {source['future']} after the log's append time; "
        "beyond, a dead letter"
    )


def _numbered(explanation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for number, step in enumerate(explanation["steps"], 1):
        first, *more = _step_lines(step)
        of = f" of {step['of']}" if step.get("of") else ""
        yield str(number), f"{step['step']} {step['name']}{of}: {first}"
        for line in more:
            yield " ", f"  {line}"


def _step_lines(step: dict[str, Any]) -> list[str]:
    match step["step"]:
        case "deduplicate":
            shared = ", ".join(step["shared_with"])
            return [
                f"the first of each {', '.join(step['key'])} within {step['window']}",
                f"state: table {step['table']}, at most {step['bytes_per_million_keys'] // 1_000_000} MB a million keys"
                + (f", shared with {shared}" if shared else ", of this feed alone"),
            ]
        case "where":
            found = (
                f"found by {', '.join(step['index'])}"
                if step["index"]
                else "no index: tried on every record that comes this far"
            )
            return [step["when"], found]
        case "select":
            return ["the envelope and the fields below"]
    return relation_lines(step)


def _corrections(explanation: dict[str, Any]) -> list[str]:
    corrections = explanation["corrections"]
    if corrections["mode"] == "independent":
        return ["each revision is taken on its own; nothing is remembered for it"]
    return [
        "who received a record receives its higher revisions, and its retraction; who did not hears nothing",
        "state: what was delivered of each entity, for as long as the feed's topic keeps a record",
        f"  table {corrections['table']}, about {corrections['bytes_an_entity']} B an entity, "
        f"kept {corrections['remembered']}",
        *(
            f"not heard of: a revision of {one['contract']} with another {' or '.join(one['key'])} than the last"
            for one in corrections["not_heard"]
        ),
    ]


def _rows(field: dict[str, Any]) -> Iterator[list[str]]:
    """A field as it is, and a row below where an emergency changes that."""
    yield [field["name"], field["of"], field["outcome"], field["reason"]]
    if field["emergency"] is not None:
        yield ["", "in an emergency", field["emergency"]["outcome"], field["emergency"]["reason"]]


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
