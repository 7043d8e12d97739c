"""identifier check, identifier generate: identifiers without a catalogue or a server."""

from __future__ import annotations

import random
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated

import typer

from gebus.catalogue.documents import nearest
from gebus.model.errors import GebusError
from gebus.model.identifiers import FIRST_DAY, IDENTIFIER_NAMES, IdentifierKind, identifier_kinds

_CHINA = timezone(timedelta(hours=8))
_LONGEST = 200
"""No identifier is a tenth as long; a line without an end is not read to its end."""

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(IDENTIFIER_NAMES)}.")]
DayOption = Annotated[
    str, typer.Option("--on", metavar="DATE", help="The day on which it counts, as 2020-02-01; by default today.")
]


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    group = typer.Typer(no_args_is_help=True, help="Check identifiers, and invent them for tests.")
    group.command("check")(check_command)
    group.command("generate")(generate_command)
    app.add_typer(group, name="identifier")


def check_command(
    kind: KindArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value, or - to read it from standard input.")],
    *,
    on: DayOption = "",
) -> None:
    """Check one identifier: its form, its check characters, its date and division, with the reason if it is wrong.

    What leads to a person is shown as its mask alone; give it on standard input (`-`) to keep it out of the shell's
    history. Not checked: whether it was issued. Exit status 0 if it holds, 1 otherwise.
    """
    known, day = _kind(kind), _day(on)
    text = sys.stdin.buffer.readline(_LONGEST).decode("utf-8", "replace").strip() if value == "-" else value
    problem = known.problem(text, day)
    if problem is not None:
        found, allowed = known.told(text, problem, shown=True)
        raise GebusError(f"{known.name}: {found}; allowed: {allowed}")
    typer.echo(f"{known.name}: {known.mask(text) if known.personal else text} holds on {day}")


def generate_command(
    kind: KindArgument,
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="How many.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The same seed and day give the same values.")] = 0,
    on: DayOption = "",
) -> None:
    """Invent identifiers for tests, one a line, that hold on that day.

    They are nobody's on purpose and somebody's by chance: do not call or write to them.
    """
    known, day = _kind(kind), _day(on)
    if day < FIRST_DAY:
        raise GebusError(f"--on is {day}; allowed: a day from {FIRST_DAY}, where the list of divisions begins")
    numbers = random.Random(seed)  # noqa: S311 - repeatable test data, no secret
    for _ in range(count):
        typer.echo(known.generate(numbers, day))


def _kind(name: str) -> IdentifierKind:
    kinds = identifier_kinds()
    if name not in kinds:
        # Not the word itself: who mixes up the two arguments has written a value here.
        hint = nearest(name, kinds)
        raise GebusError(f"KIND is none; allowed: {', '.join(kinds)}{f'; {hint}' if hint else ''}")
    return kinds[name]


def _day(written: str) -> date:
    if not written:
        return datetime.now(UTC).astimezone(_CHINA).date()
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise GebusError(f"--on is {written[:40]!r}; allowed: a day, as 2020-02-01") from None
