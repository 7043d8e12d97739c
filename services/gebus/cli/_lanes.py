"""What the commands about lanes share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gebus.kafka import Connection
from gebus.model.errors import GebusError

if TYPE_CHECKING:
    from confluent_kafka import Consumer

ADMIN = "gebus-admin"
_EXTRA = ("confluent_kafka", "gebus_kernel", "prometheus_client")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]


@contextmanager
def reader(name: str) -> Iterator[Consumer]:
    """A reader of the log as the administrator; Denied or Unavailable at once, as from every other command."""
    from gebus.kafka.lane_clients import open_reader, require_answer

    connection = Connection.load(ADMIN)
    require_answer(connection)
    opened = open_reader(connection, name)
    try:
        yield opened
    finally:
        opened.close()


def console() -> Console:
    """Piped, a table keeps its lines whole: a machine reads them."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 400)


def time_text(milliseconds: int) -> str:
    """An instant as these commands show it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="seconds")


def require_extra() -> None:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise GebusError(
            f"{', '.join(missing)}: not installed; the lanes need the extra `lanes`: pip install 'gebus[lanes]'"
        )
