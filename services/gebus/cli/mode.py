"""mode: open an emergency with two persons, close it, and see what holds and what was delivered under it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gebus.cli._control import Desk, PersonOption, ReasonOption, desk
from gebus.cli._lanes import AsJson, console
from gebus.cli._options import CatalogueOption
from gebus.cli._when import when_ms
from gebus.model.errors import NotFound
from gebus.model.mode import Mode
from gebus.model.working_days import shown

if TYPE_CHECKING:
    from gebus.control.modes import Modes

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The mode's permanent id, as hubei-flood-2026.")]


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    mode = typer.Typer(no_args_is_help=True, help="Modes: an emergency, for a region and a time.")
    for name, command in (
        ("open", open_command), ("confirm", confirm_command), ("close", close_command), ("list", list_command),
        ("report", report_command),
    ):  # fmt: skip
        mode.command(name)(command)
    app.add_typer(mode, name="mode")


def open_command(
    mode: IdArgument,
    *,
    person: PersonOption,
    level: Annotated[str, typer.Option("--level", help="I, II, III or IV.")],
    region: Annotated[str, typer.Option("--region", help="A division's code (GB/T 2260): it and all below it.")],
    document: Annotated[str, typer.Option("--document", help="The number of the document that orders it.")],
    until: Annotated[str, typer.Option("--until", help="Its end at the latest: a day, an instant, or 48h from now.")],
    root: CatalogueOption = Path("schemas"),
) -> None:
    """Propose an emergency, as a commander of an entitled authority. It does not hold yet: another commander of the
    same authority confirms it within two hours, or it lapses.
    """
    with desk(root) as at:
        modes, who = _modes(at), at.persons.get(person)
        expires = when_ms(until, at.clock.now_ms())
        outcome = modes.open(who, mode, level=level, region=region, document=document, expires=expires)
        _tell(outcome.known.modes[mode], outcome.at_ms)


def confirm_command(mode: IdArgument, *, person: PersonOption, root: CatalogueOption = Path("schemas")) -> None:
    """Confirm a proposed emergency, as another commander of its authority: from now on it holds."""
    with desk(root) as at:
        outcome = _modes(at).act(at.persons.get(person), "confirm", mode)
        _tell(outcome.known.modes[mode], outcome.at_ms)


def close_command(
    mode: IdArgument, *, person: PersonOption, reason: ReasonOption = "", root: CatalogueOption = Path("schemas")
) -> None:
    """End an emergency before its time; all is as before, without a restart."""
    with desk(root) as at:
        outcome = _modes(at).act(at.persons.get(person), "close", mode, reason)
        _tell(outcome.known.modes[mode], outcome.at_ms)


def list_command(*, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """Show every mode that there was, and what holds."""
    with desk(root) as at:
        known, now = at.grants.log.read(), at.clock.now_ms()
    modes = [known.modes[name] for name in sorted(known.modes)]
    if as_json:
        rows = [{**mode.model_dump(mode="json"), "state": mode.state(now)} for mode in modes]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table("mode", "state", "level", "region", "authority", "since", "until")
    for mode in modes:
        since = "" if mode.since is None else shown(mode.since)
        table.add_row(mode.mode, mode.state(now), mode.level, mode.region, mode.authority, since, shown(mode.until))
    console().print(table)


def report_command(mode: IdArgument, *, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """List what was delivered under a mode, from the leaves of the ledger: each feed, grant and transaction."""
    with desk(root) as at:
        from gebus.control import report

        known = at.grants.log.read()
        if mode not in known.modes:
            raise NotFound(f"{mode}: there is no such mode; `gebus mode list` shows them")
        found = report.deliveries(at.connection, mode)
    if as_json:
        rows = [report.as_json(leaf) for leaf in found]
        typer.echo(
            json.dumps({"mode": known.modes[mode].model_dump(mode="json"), "deliveries": rows}, ensure_ascii=False)
        )
        return
    table = Table("at", "feed", "grant", "slice", "records", "bytes", "root")
    for leaf in found:
        table.add_row(
            shown(leaf.at), leaf.feed, leaf.grant, str(leaf.slice), str(leaf.count), str(leaf.size), leaf.root
        )
    console().print(table)
    typer.echo(f"{sum(leaf.count for leaf in found)} records in {len(found)} deliveries under {mode}")


def _modes(at: Desk) -> Modes:
    from gebus.control.modes import Modes

    return Modes(at.grants.log, at.catalogue)


def _tell(mode: Mode, now: int) -> None:
    typer.echo(f"{mode.mode}: {mode.state(now)}, level {mode.level}, {mode.region}, until {shown(mode.until)}")
    for act in mode.acts:
        typer.echo(f"  {shown(act.at)}  {act.verb} by {act.by}{': ' + act.reason if act.reason else ''}")
