"""What the commands about grants and modes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gebus.catalogue import load
from gebus.cli._lanes import ADMIN, require_extra
from gebus.kafka import Connection, stack_home
from gebus.kafka.admin import Admin
from gebus.model.catalogue import Catalogue

if TYPE_CHECKING:
    from gebus.control.grants import Grants
    from gebus.control.persons import Persons
    from gebus.lanes.ports import Clock

PersonOption = Annotated[str, typer.Option("--as", metavar="NAME@PARTY", help="Who acts: a person of this home.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="In words; whoever it concerns reads it.")]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=0, help="Act only if the grants are still at this version of `show`.")
]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where acts are done."""

    connection: Connection
    admin: Admin
    catalogue: Catalogue
    clock: Clock
    persons: Persons
    grants: Grants


@contextmanager
def desk(root: Path) -> Iterator[Desk]:
    """The control topics of the running bus, and the catalogue that its grants are about."""
    require_extra()
    from gebus.control.grants import Grants
    from gebus.control.persons import Persons
    from gebus.lanes.ports import SystemClock

    catalogue, clock, connection = load(root), SystemClock(), Connection.load(ADMIN)
    with Admin(connection) as admin:
        grants = Grants(connection, admin, catalogue, clock)
        yield Desk(connection, admin, catalogue, clock, Persons(stack_home()), grants)
