"""reset-offsets: where the lanes go on in the log, when only people can decide it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gebus import plan
from gebus.catalogue import load
from gebus.cli._instant import instant
from gebus.cli._lanes import ADMIN, AsJson, console, require_extra
from gebus.cli._options import CatalogueOption
from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.lanes.settings import GROUP

if TYPE_CHECKING:
    from gebus.lanes.offsets import Move, Partition, Target

_CHOICES = (
    "--to current     go on where the lanes stand",
    "--to earliest    take all again that the log still has",
    "--to latest      go on at the end, and pass over what was not taken",
    "--to TIME        go on with what was appended then: 2020-02-01T08:00:00+08:00, or 2h for two hours ago",
)


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("reset-offsets")(reset_offsets_command)


def reset_offsets_command(
    what: Annotated[
        str, typer.Argument(metavar="FEED|LANE|TOPIC", help="All topics of a feed's lane, or of a lane; or one topic.")
    ],
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="current|earliest|latest|TIME", help="Where; without it nothing is changed.")
    ] = "",
    root: CatalogueOption = Path("schemas"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would come of it, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide where the lanes go on after a state's topic was deleted, or records were lost: no worker may run.

    All topics of a lane go together. It says how many records are taken again or passed over, and which feeds hear of
    it. Without --to it shows where the lanes stand.
    """
    require_extra()
    from gebus.lanes.offsets import meaning, moves, target

    chosen = target(what, plan.lanes(load(root)))
    with Admin(Connection.load(ADMIN)) as admin:
        committed = admin.committed_marked(GROUP)
        if not to:
            _show(chosen, committed, admin)
            return
        made = moves(chosen, _places(to, chosen, admin), committed)
        if not dry_run:
            admin.set_committed(GROUP, {move.place: (move.after, move.mark) for move in made})
    said = meaning(chosen, made)
    if as_json:
        rows = [move.as_json() for move in made]
        typer.echo(json.dumps({"moves": rows, "feeds": chosen.feeds, "meaning": said, "dry_run": dry_run}, indent=2))
        return
    _print(made)
    for line in said:
        typer.echo(line)
    typer.echo("this was a dry run: nothing is changed" if dry_run else "done; start the lanes")


def _places(to: str, chosen: Target, admin: Admin) -> Mapping[Partition, int]:
    """Where each partition goes on; none where they stay."""
    match to:
        case "current":
            return {}
        case "earliest":
            return admin.beginnings(chosen.topics)
        case "latest":
            return admin.ends(chosen.topics)
    at = instant(to, datetime.now(UTC), "--to")
    return admin.offsets_at(chosen.topics, int(at.timestamp() * 1000))


def _show(chosen: Target, committed: Mapping[Partition, tuple[int, str]], admin: Admin) -> None:
    begin, end = admin.beginnings(chosen.topics), admin.ends(chosen.topics)
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", no_wrap=True)
    for column in ("partition", "the log begins", "the lanes stand", "it ends"):
        table.add_column(column, justify="right", no_wrap=True)
    for place in sorted(end):
        stands = committed.get(place)
        at = "nowhere" if stands is None else f"{stands[0]:,}"
        table.add_row(place[0], str(place[1]), f"{begin[place]:,}", at, f"{end[place]:,}")
    console().print(table)
    typer.echo(f"feeds: {', '.join(chosen.feeds) or 'none'}")
    for choice in _CHOICES:
        typer.echo(choice)


def _print(made: tuple[Move, ...]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", no_wrap=True)
    for column in ("partition", "from", "to"):
        table.add_column(column, justify="right", no_wrap=True)
    for move in made:
        before = "nowhere" if move.before is None else f"{move.before:,}"
        table.add_row(move.place[0], str(move.place[1]), before, f"{move.after:,}")
    console().print(table)
