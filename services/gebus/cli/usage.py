"""usage, statement: what each grant consumed, and what that comes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._lanes import AsJson, console
from gebus.cli._options import CatalogueOption
from gebus.kafka import Connection, stack_home
from gebus.model.errors import NotFound
from gebus.model.leaf import USAGE_PRINCIPAL
from gebus.usage import Book, Entry, Line, Metered, Statement, Tariffs, catch_up, day_of, month_after, statement

By = Literal["party", "feed", "grant", "mode", "day", "month"]

_KEYS: Mapping[By, Callable[[Entry], str]] = {
    "party": lambda entry: entry.consumer,
    "feed": lambda entry: entry.feed,
    "grant": lambda entry: entry.grant,
    "mode": lambda entry: entry.mode,
    "day": lambda entry: entry.day.isoformat(),
    "month": lambda entry: f"{entry.day:%Y-%m}",
}


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("usage")(usage_command)
    app.command("statement")(statement_command)


def usage_command(
    *,
    by: Annotated[By, typer.Option("--by", help="What a line is of.")] = "grant",
    party: Annotated[str, typer.Option(metavar="PARTY", help="Only what this consumer was given.")] = "",
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Only this month.")] = "",
    anew: Annotated[bool, typer.Option("--anew", help="Forget what was counted, and count every leaf anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was delivered, as counted in the transactions that delivered it: records, bytes, values by class.

    Counts come from the leaves of the ledger; each call counts those that are new into GEBUS_HOME/usage.sqlite, and a
    year of them may take minutes the first time. Days and months are China's.
    """
    span = (_month(month), month_after(_month(month))) if month else (date.min, date.max)
    with _counted(anew=anew) as book:
        entries = [entry for entry in book.entries(*span) if party in ("", entry.consumer)]
    sums: dict[str, Metered] = {}
    for entry in entries:
        key = _KEYS[by](entry)
        sums[key] = sums.get(key, Metered()) + entry.metered
    if as_json:
        typer.echo(json.dumps([{by: key, **_figures(one)} for key, one in sorted(sums.items())], indent=2))
    elif not sums:
        typer.echo("nothing was delivered")
    else:
        rows = [(key, _columns(one)) for key, one in sorted(sums.items())]
        if len(rows) > 1:
            rows.append(("all", _columns(sum(sums.values(), Metered()))))
        _print([by], [([key], columns) for key, columns in rows])


def statement_command(
    party: Annotated[str, typer.Argument(metavar="PARTY", help="The consumer.")],
    month: Annotated[str, typer.Argument(metavar="MONTH", help="As 2026-11; a day is China's.")],
    *,
    root: CatalogueOption = Path("schemas"),
    leaves: Annotated[bool, typer.Option("--leaves", help="For each line where its leaves lie.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a party's grants came to in a month, by the tariffs of the catalogue, in yuan.

    Commercial revenue above what is permitted in a month is deducted from the next. Each line leads to its leaves: the
    offsets of the ledger's topic between which they lie, by day and slice.
    """
    first = _month(month)
    catalogue = load(root)
    if party not in catalogue.parties:
        raise NotFound(
            f"{party}: the catalogue has no such party; {nearest(party, catalogue.parties) or 'see parties/'}"
        )
    purposes = {name: feed.purpose for name, feed in catalogue.feeds.items()}
    with _counted() as book:
        made = statement(party, first, book.entries(end=month_after(first)), purposes, Tariffs.of(catalogue.codes))
    if as_json:
        typer.echo(json.dumps(_as_json(made), indent=2, ensure_ascii=False))
    else:
        _print_statement(made, leaves=leaves)


@contextmanager
def _counted(*, anew: bool = False) -> Iterator[Book]:
    """The book, with every leaf in it that is committed by now."""
    connection = Connection.load(USAGE_PRINCIPAL)
    book = Book(stack_home() / "usage.sqlite")
    try:
        if anew:
            book.forget()
        catch_up(connection, book)
        yield book
    finally:
        book.close()


def _month(text: str) -> date:
    """The first day of a month."""
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no month; write one as 2026-11", param_hint="MONTH") from None


def _print_statement(made: Statement, *, leaves: bool) -> None:
    over = "" if made.month < day_of(round(datetime.now(UTC).timestamp() * 1000)).replace(day=1) else ", so far"
    typer.echo(f"{made.party}, {made.month:%Y-%m}{over}")
    if not made.lines:
        typer.echo("nothing was delivered")
    else:
        rows = [
            ([line.grant, line.purpose or "-", line.mode, _tariff(line)], [*_columns(line.metered), yuan(line.fen)])
            for line in made.lines
        ]
        _print(["grant", "purpose", "mode", "tariff"], rows, "yuan")
    for line in made.lines if leaves else ():
        for entry in line.entries:
            typer.echo(f"{line.grant}: {_where(entry)}")
    period = made.period
    if period.carried:
        typer.echo(
            f"deducted {yuan(made.deducted)} of {yuan(period.deducted)} for all, of {yuan(period.carried)} that was "
            "earned too much before"
        )
    if period.excess:
        typer.echo(f"{yuan(period.excess)} more than is permitted was earned; the next month's charges are less by it")
    typer.echo(f"to pay {yuan(made.total)} yuan")


def _tariff(line: Line) -> str:
    if line.tariff is None:
        return "none: not charged"
    return f"{line.tariff.use}, {line.tariff.charge}"


def _where(entry: Entry) -> str:
    """Where the leaves of a sum lie, for `gebus ledger`."""
    metered = entry.metered
    return (
        f"{entry.day}, slice {entry.slice}: {metered.leaves} leaves, {metered.records} records, "
        f"offsets {entry.first} to {entry.last}"
    )


def yuan(fen: int) -> str:
    """Fen as people read them."""
    return f"{fen // 100:,}.{fen % 100:02d}"


def _figures(metered: Metered) -> dict[str, Any]:
    values = {str(level): count for level, count in enumerate(metered.fields, 1)}
    return {"records": metered.records, "bytes": metered.size, "values": values, "leaves": metered.leaves}


def _columns(metered: Metered) -> list[str]:
    return [f"{number:,}" for number in (metered.records, metered.size, *metered.fields)]


def _print(names: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[str]]], *more: str) -> None:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in ("records", "bytes", "public", "internal", "sensitive", "core", *more):
        table.add_column(name, justify="right", no_wrap=True)
    for texts, numbers in rows:
        table.add_row(*texts, *numbers)
    console().print(table)


def _as_json(made: Statement) -> dict[str, Any]:
    period = made.period
    return {
        "party": made.party,
        "month": f"{made.month:%Y-%m}",
        "lines": [
            {
                "grant": line.grant,
                "purpose": line.purpose,
                "mode": line.mode,
                "use": line.tariff and line.tariff.use,
                "charge": line.tariff and line.tariff.charge,
                "source": line.tariff and line.tariff.source,
                **_figures(line.metered),
                "fen": line.fen,
                "from": [_place(entry) for entry in line.entries],
            }
            for line in made.lines
        ],
        "charged_fen": made.charged,
        "deducted_fen": made.deducted,
        "total_fen": made.total,
        "all": {
            "charged_fen": period.charged,
            "carried_fen": period.carried,
            "deducted_fen": period.deducted,
            "permitted_fen": period.permitted,
            "excess_fen": period.excess,
        },
    }


def _place(entry: Entry) -> dict[str, Any]:
    leaves = {"leaves": entry.metered.leaves, "first_offset": entry.first, "last_offset": entry.last}
    return {"day": entry.day.isoformat(), "feed": entry.feed, "slice": entry.slice, **leaves}
