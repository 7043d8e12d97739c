"""person: who may act for which party, in a local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._lanes import require_extra
from gebus.cli._options import CatalogueOption
from gebus.kafka import stack_home
from gebus.model.errors import GebusError, NotFound
from gebus.model.person import ROLES, Person

IdArgument = Annotated[str, typer.Argument(metavar="NAME@PARTY", help="As zhang@hubei-data.")]


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    person = typer.Typer(no_args_is_help=True, help="The persons who act for parties, in a local stack.")
    person.command("add")(add_command)
    person.command("remove")(remove_command)
    person.command("list")(list_command)
    app.add_typer(person, name="person")


def add_command(
    person: IdArgument,
    *,
    role: Annotated[list[str], typer.Option("--role", help=f"One of {', '.join(ROLES)}; may be repeated.")],
    root: CatalogueOption = Path("schemas"),
) -> None:
    """Let a person act for a party, with these roles and no others.

    A person is a file in GEBUS_HOME/secrets/persons that the owner of the home alone can read, and nothing else
    authenticates them: whoever owns the home on this machine can act as each person of it.
    """
    require_extra()
    from gebus.control.persons import Persons

    name, _, party = person.partition("@")
    parties = load(root).parties
    if party not in parties:
        raise NotFound(f"{person}: {root} has no party {party}; {nearest(party, parties)}".rstrip("; "))
    unknown = sorted(set(role) - set(ROLES))
    if unknown:
        raise GebusError(f"{person}: {', '.join(unknown)} is no role; allowed: {', '.join(ROLES)}")
    try:
        who = Person.model_validate({"name": name, "party": party, "roles": role})
    except ValidationError:
        raise GebusError(f"{person}: {name!r} is no name; allowed: small letters, digits, points and hyphens") from None
    Persons(stack_home()).add(who)
    typer.echo(f"{person} may act as {', '.join(sorted(set(role)))}")


def remove_command(person: IdArgument) -> None:
    """Let a person act no more. What they did stays."""
    require_extra()
    from gebus.control.persons import Persons

    Persons(stack_home()).remove(person)
    typer.echo(f"{person} is no person of this home any more")


def list_command() -> None:
    """Show who may act, and as what."""
    require_extra()
    from gebus.control.persons import Persons

    for person in Persons(stack_home()).all():
        typer.echo(f"{person.id}  {', '.join(sorted(person.roles))}")
