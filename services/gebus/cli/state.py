"""state: what the lanes remember, for whom, how much it takes and since when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gebus import plan
from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._lanes import AsJson, console, reader, require_extra, time_text
from gebus.cli._options import CatalogueOption
from gebus.model.errors import NotFound
from gebus.plan import LanePlan
from gebus.plan.words import duration

if TYPE_CHECKING:
    from gebus.lanes.holdings import Holding


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("state")(state_command)


def state_command(
    feed: Annotated[str, typer.Argument(metavar="[CONSUMER/FEED]", help="Only what this feed remembers.")] = "",
    *,
    root: CatalogueOption = Path("schemas"),
    slices: Annotated[bool, typer.Option("--slices", help="A line for each slice.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the lanes remember: the keys and bytes of each table, how long it remembers, and since when it does.

    Read from the logs of the states, as a worker reads them when it starts: it shows what is committed, whether workers
    run or not, and takes as long as such a start without a snapshot.
    """
    require_extra()
    from gebus_kernel import Kernel

    from gebus.lanes.holdings import read_holdings

    plans = _of(feed, plan.lanes(load(root)))
    with reader("state") as consumer:
        found = [one for one in read_holdings(consumer, plans, Kernel) if not feed or feed in one.use.feeds]
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
    else:
        _print(found, slices=slices)


def _of(feed: str, plans: Sequence[LanePlan]) -> list[LanePlan]:
    """The lanes that a feed has to do with; all where none is named."""
    names = {one.name for each in plans for one in each.feeds}
    if feed and feed not in names:
        advice = nearest(feed, names) or f"they are {', '.join(sorted(names))}"
        raise NotFound(f"{feed}: the catalogue has no such feed; {advice}")
    return [each for each in plans if not feed or feed in {one.name for one in each.feeds}]


def _print(found: Sequence[Holding], *, slices: bool) -> None:
    if not found:
        typer.echo("no table: every record is taken by itself")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("lane", "table", "for"):
        table.add_column(column, overflow="fold")
    for column in ("keys", "bytes", "remembers"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("since", no_wrap=True)
    rows: dict[tuple[str, str], list[Holding]] = {}
    for one in found:
        rows.setdefault((str(one.owned) if slices else one.owned.lane, one.table), []).append(one)
    for (where, name), parts in rows.items():
        use, since = parts[0].use, [part.since_ms for part in parts if part.since_ms is not None]
        keys, size = sum(part.keys for part in parts), sum(part.size for part in parts)
        began = time_text(min(since)) if since else ""
        feeds = ", ".join(use.feeds) or "other lanes"
        table.add_row(where, name, feeds, f"{keys:,}", f"{size:,}", duration(use.window_ms), began)
    console().print(table)
