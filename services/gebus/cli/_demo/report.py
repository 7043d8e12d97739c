"""The demo's result: tables on a terminal, plain lines in a pipe, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gebus.cli._demo.history import History
from gebus.cli._demo.programme import Programme
from gebus.cli._demo.recon import Reconciliation
from gebus.cli._demo.verdict import Verdict
from gebus.model.event import ENVELOPE
from gebus.usage import Metered

_PIPED_WIDTH = 200
_SKIPPED_SHOWN = 2
_TIERS = "tier 1 the public, 2 organisations, 3 departments, 4 the authority in charge"
_DEAD = "supply.donation"
"""Where the bad records were planted."""


@dataclass(frozen=True, slots=True)
class Result:
    """All that the demo can tell."""

    programme: Programme
    history: History
    verdict: Verdict
    seconds: Mapping[str, float]
    """By part of the demo, in order."""
    home: Path
    kept: bool
    sample: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """One record: as its publisher sent it, then as each feed holds it, by title."""
    reconciled: Reconciliation | None = None

    @property
    def latency(self) -> dict[str, float]:
        """p50, p95 and max of the live part, in milliseconds."""
        values = sorted(self.history.latencies_ms)
        if not values:
            return {}
        at = {"p50": len(values) // 2, "p95": len(values) * 95 // 100, "max": len(values) - 1}
        return {name: round(values[index], 1) for name, index in at.items()}


def as_json(result: Result) -> str:
    """Everything, for machines."""
    history, verdict = result.history, result.verdict
    document = {
        "holds": verdict.holds,
        "data": str(result.programme.data),
        "invented": list(result.programme.invented),
        "topics": [{**asdict(account), "skipped": account.skipped} for account in verdict.topics],
        "feeds": [asdict(account) for account in verdict.feeds],
        "checks": [{"name": check.name, "holds": check.holds, "found": check.found} for check in verdict.checks],
        "refusals": [asdict(refusal) for refusal in history.refusals],
        "skipped": {party: [str(row) for _, row in rows] for party, rows in history.skipped.items() if rows},
        "metered": {feed: asdict(one) for feed, one in sorted(history.metered.items())},
        "killed": history.killed,
        "replaced_by": history.replaced_by,
        "latency_ms": {**result.latency, "records": len(history.latencies_ms)},
        "contacts": [
            {"why": one.why, "carrier_no": one.carrier_no, "latency_ms": round(one.latency_ms, 1)}
            for one in history.contacts
        ],
        "reconciled": None if result.reconciled is None else asdict(result.reconciled),
        "seconds": {name: round(value, 1) for name, value in result.seconds.items()},
        "sample": {
            title: {name: _cell(value) for name, value in record.items()} for title, record in result.sample.items()
        },
        "home": str(result.home) if result.kept else None,
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def show(result: Result, console: Console) -> None:
    """Everything, for people."""
    lines = box.SIMPLE_HEAD if console.is_terminal else None
    for part in (_topics, _feeds, _sample, _contacts, _refusals):
        console.print(part(result, lines))
        console.print()
    for line in _lines(result):
        console.print(line, soft_wrap=True)


def console_for(*, terminal: bool) -> Console:
    """A console that cuts no line where nobody looks at its width."""
    return Console(highlight=False) if terminal else Console(highlight=False, width=_PIPED_WIDTH, color_system=None)


def _table(title: str, lines: box.Box | None, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=lines, pad_edge=False)
    for column in columns:
        words = column.removeprefix(">")
        table.add_column(words, justify="right" if column.startswith(">") else "left", overflow="fold")
    return table


def _topics(result: Result, lines: box.Box | None) -> Table:
    table = _table(
        "What went in", lines, "topic of a party", ">sent", ">planted", ">taken", ">dead", "reasons", ">not sent"
    )
    for account in result.verdict.topics:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(account.reasons.items()))
        numbers = (account.sent, account.planted, account.lane.taken, account.lane.dead)
        table.add_row(account.topic, *map(str, numbers), reasons, str(account.skipped))
    return table


def _feeds(result: Result, lines: box.Box | None) -> Table:
    numbers = "tier taken more delivered duplicate filtered waiting withheld dead received"
    columns = ("feed", *(f">{name}" for name in numbers.split()), "by hand")
    table = _table(f"What came out, and why the rest did not ({_TIERS})", lines, *columns)
    for account in result.verdict.feeds:
        lane = account.lane
        counts = (lane.taken, lane.more, lane.delivered, lane.duplicate, lane.filtered, lane.waiting, lane.withheld)
        cells = map(str, (*counts, lane.dead, account.received))
        table.add_row(account.feed, str(account.tier), *cells, account.words)
    return table


def _sample(result: Result, lines: box.Box | None) -> Table:
    table = _table(
        "One record (its people are invented), as it was sent and as each consumer has it",
        lines,
        "field",
        *result.sample,
    )
    names = list(dict.fromkeys(name for record in result.sample.values() for name in record if name not in ENVELOPE))
    for name in names:
        cells = [_shown(record, name) for record in result.sample.values()]
        table.add_row(name, *(Text(cell) for cell in cells))
    return table


def _contacts(result: Result, lines: box.Box | None) -> Table:
    title = "Who travelled with a case is told (real journey where the data is, invented passengers)"
    table = _table(title, lines, "because", "journey", ">after ms", "status", "notice")
    for contact in result.history.contacts:
        notice = {name: value for name, value in contact.notice.items() if name not in ENVELOPE and value is not None}
        status, latency = str(contact.notice["status"]), f"{contact.latency_ms:.0f}"
        table.add_row(contact.why, contact.carrier_no, latency, status, Text(str(_cell(notice))))
    return table


def _refusals(result: Result, lines: box.Box | None) -> Table:
    table = _table("What was refused", lines, "who", "what", "answer")
    for refusal in result.history.refusals:
        style = "" if refusal.refused else "bold red"
        table.add_row(refusal.who, refusal.what, Text(refusal.answer), style=style)
    return table


def _lines(result: Result) -> Iterator[Text]:
    history, latency = result.history, result.latency
    for party, rows in history.skipped.items():
        if rows:
            shown = "; ".join(str(row) for _, row in rows[:_SKIPPED_SHOWN])
            yield Text(f"{party}: {len(rows)} rows could not become events, among them {shown}")
    if result.programme.invented:
        yield Text(
            f"not found in {result.programme.data}, so invented: {', '.join(result.programme.invented)}", "yellow"
        )
    if history.killed:
        yield Text(f"worker {history.killed} was killed in the middle, {history.replaced_by} took its place")
    if history.metered:
        whole = sum(history.metered.values(), Metered())
        yield Text(
            f"metered for {len(history.metered)} feeds: {whole.records} records, {whole.size} bytes, under "
            f"{whole.leaves} leaves of the ledger"
        )
    if latency:
        count = len(history.latencies_ms)
        words = ", ".join(f"{name} {value:.0f} ms" for name, value in latency.items())
        yield Text(f"live, from publisher to consumer, {count} deliveries: {words}")
    if result.reconciled is not None:
        yield Text(result.reconciled.words)
    yield Text("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items()))
    checks = result.verdict.checks
    broken = [check for check in checks if not check.holds]
    for check in broken:
        yield Text(f"does not hold: {check.name}: {check.found}", "bold red")
    if not broken:
        yield Text(f"all {len(checks)} checks hold", "bold green")
    yield from _next(result)


def _next(result: Result) -> Iterator[Text]:
    if result.kept:
        yield Text(f"the stack is up: export GEBUS_HOME={result.home}, then for example")
        commands: Sequence[str] = (
            "gebus status",
            "gebus run lanes",
            "gebus accounts",
            f"gebus dead-letters {_DEAD}",
            "gebus consume donation-totals --as xinwen --format table",
            "gebus consume donations --as hubei-civil --format table",
            "gebus down",
        )
    else:
        yield Text("where to look next:")
        commands = ("make demo KEEP=1", "gebus explain xinwen/donation-totals", "gebus test", "gebus check")
    for command in commands:
        yield Text(f"  {command}")


def _shown(record: Mapping[str, Any], name: str) -> str:
    if name not in record:
        return "not delivered"
    return "null" if record[name] is None else str(_cell(record[name]))


def _cell(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, list):
        return ", ".join(str(_cell(item)) for item in value)
    if isinstance(value, dict):
        return " ".join(str(_cell(item)) for item in value.values() if item is not None)
    return value
