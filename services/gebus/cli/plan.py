"""test, explain: what a feed does, before anything runs."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from gebus import plan
from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._instant import today
from gebus.cli._options import CatalogueOption
from gebus.model.catalogue import Catalogue
from gebus.model.errors import NotFound
from gebus.model.feed import Feed

if TYPE_CHECKING:
    from gebus.testing.cases import CaseResult

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]

_TEST_HELP = """
Run the cases of these feeds, or of all, through planner and kernel; no broker is needed.

Prints each case that does not hold with the difference, field by field. Exit status 0 if all hold, 1 otherwise.

\b
A case says which records are given and what the feed then holds:
\b
  - name: a repeat adds nothing
    given:
      - {event_id: s-1, good: mask, quantity: 40}
      - stock: {event_id: s-1, good: mask, quantity: 40}
        from: yaofang
        at: 2020-02-01T08:00:00Z
      - at: 2020-02-16T00:00:00Z
    expect:
      - {event_id: s-1, good: mask, quantity: 40}

given: records in the order of the log. A record is written below the name of its source, or plainly where the feed has
but one source. Below the name, `from` names the party that publishes it and `at` the instant at which the log takes it,
which is not before that of the record above. Without them, `from` is the record's own `source` or else the first
publisher, and `at` is 2020-02-01T00:00:00Z for the first record, and a second after the one above for the others. `at`
alone lets time pass, so that what has waited in vain for its time is told.

Envelope fields may be left out: event_id is then given-1, given-2 and so on, entity_id `entity`, revision 0, status
ASSERTED, occurred_at and published_at as `at`, source as `from`, region 100000. Another field may be left out where
the schema has a default. Dates and instants may be written as text.

expect: the records that the feed holds, in order, each with exactly the fields that the consumer gets, as the policy
leaves them; a correction or retraction is one record more. Only envelope fields and tokens may be left out;
{token: "13800000001"} stands for the token of that value. A case with `mode: emergency` runs within an emergency that
holds everywhere. A record that becomes a dead letter is written as
{dead: wrong_key}, with its reason.
"""


def _flowing(text: str) -> str:
    """Help whose paragraphs flow with the width of the terminal; those that begin with \\b stay as they are."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(part if part.startswith("\b") else part.replace("\n", " ") for part in paragraphs)


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("test", help=_flowing(_TEST_HELP))(cases_command)
    app.command("explain")(explain_command)


def cases_command(
    feeds: Annotated[list[str] | None, typer.Argument(metavar="[CONSUMER/FEED]...", show_default=False)] = None,
    *,
    root: CatalogueOption = Path("schemas"),
) -> None:
    from gebus.testing.cases import run_cases
    from gebus.testing.topology import open_kernel

    started = time.monotonic()
    catalogue = load(root)
    chosen = _chosen(catalogue, feeds)
    lanes = plan.lanes(catalogue)
    open_kernel(lanes)
    results = [result for feed in chosen for result in run_cases(catalogue, lanes, feed)]
    failed = [result for result in results if result.differences]
    console = Console(highlight=False, soft_wrap=True)
    for result in failed:
        for line in _difference(result):
            console.print(line)
    seconds = time.monotonic() - started
    verdict = Text(f"{len(failed)} failed, ", "bold red") if failed else Text("")
    held = f"{len(results) - len(failed)} of {len(results)} cases hold"
    console.print(verdict + Text(f"{held}, {len(chosen)} feed{'s' * (len(chosen) != 1)}, {seconds:.1f} s"))
    if failed:
        raise typer.Exit(1)


def explain_command(
    feed: Annotated[str, typer.Argument(metavar="CONSUMER/FEED")],
    *,
    root: CatalogueOption = Path("schemas"),
    as_json: AsJson = False,
) -> None:
    """Print the plan of a feed: what it reads, its steps and their state, and what is left of each field and why.

    Bytes of state are estimates from the schema, of an entry; `gebus state` shows what there is.
    """
    catalogue = load(root)
    chosen = _chosen(catalogue, [feed])[0]
    explanation = plan.explain(plan.lanes(catalogue, on=today()), chosen)
    text = json.dumps(explanation, ensure_ascii=False, indent=2) + "\n" if as_json else plan.render(explanation)
    typer.echo(text, nl=False)


def _chosen(catalogue: Catalogue, names: Iterable[str] | None) -> list[Feed]:
    chosen = []
    for name in names or sorted(catalogue.feeds):
        if name not in catalogue.feeds:
            advice = nearest(name, catalogue.feeds) or "`gebus test` without a name runs them all"
            raise NotFound(f"{name}: there is no such feed in {catalogue.root}; {advice}")
        chosen.append(catalogue.feeds[name])
    return chosen


def _difference(result: CaseResult) -> Iterator[Text]:
    """One case that does not hold, as lines."""
    yield Text.assemble(("FAIL ", "bold red"), (result.feed, "bold"), f": {result.case}")
    shown = ""
    for difference in result.differences:
        where = f"record {difference.record}" if difference.record else "case"
        if where != shown:
            yield Text(f"  {where}")
            shown = where
        label = f"    {difference.field}: " if difference.field else "    "
        yield Text.assemble(label, "expected ", (difference.expected, "green"))
        yield Text.assemble(" " * len(label), "got      ", (difference.got, "red"))
    counts = Counter(result.outcomes)
    if counts:
        became = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "nothing"
        yield Text(f"  given records: {became}", "dim")
