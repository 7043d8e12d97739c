"""run lanes, accounts, dead-letters: the bus at work, and what became of every record."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gebus import plan
from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._instant import today
from gebus.cli._lanes import AsJson, console, reader, require_extra, time_text
from gebus.cli._options import CatalogueOption
from gebus.cli._run import run_group
from gebus.kafka import Connection
from gebus.lanes.settings import PRINCIPAL, LaneSettings
from gebus.model.errors import NotFound

if TYPE_CHECKING:
    from gebus.lanes.accounts import Row
    from gebus.lanes.dead_letters import DeadLetter
    from gebus.lanes.forms import Life

_SHOWN = 200
_SNAPSHOT_BYTES = LaneSettings().snapshot_bytes
_LEDGER_SECONDS = LaneSettings().ledger_seconds
_METRICS_PORT = 9464
"""Where exporters of OpenTelemetry answer Prometheus."""


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    run_group(app).command("lanes")(run_lanes_command)
    app.command("accounts")(accounts_command)
    app.command("dead-letters")(dead_letters_command)


WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Worker processes; a slice is worked on by one.")]
MetricsPortOption = Annotated[
    int,
    typer.Option(
        min=0,
        max=65_000,
        help="Port of worker 0's metrics on 127.0.0.1; worker n takes n more; 0: none. "
        "A worker whose port is taken says so and goes on without.",
    ),
]
StateBytesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many bytes of state a worker may hold; at the end it takes no more input, and loses nothing. "
        "Half of this machine's memory for all workers together, unless given.",
    ),
]
SpillBytesOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="How many bytes of a worker's state may go to $GEBUS_HOME/state/spill beyond its memory; 0: none.",
    ),
]
SnapshotBytesOption = Annotated[
    int,
    typer.Option(
        min=1,
        help="What a slice's state gained is saved to $GEBUS_HOME/state when its log grew by so many bytes.",
    ),
]
LedgerSecondsOption = Annotated[
    int,
    typer.Option(
        min=60,
        help="How old the ledger's newest checkpoint may be, in seconds; beyond, the lanes of sensitive feeds take no "
        "input until it signs again, which it does each ten seconds. Nothing waits where no ledger ever signed.",
    ),
]


def run_lanes_command(
    *,
    root: CatalogueOption = Path("schemas"),
    workers: WorkersOption = 1,
    metrics_port: MetricsPortOption = _METRICS_PORT,
    state_bytes: StateBytesOption = None,
    spill_bytes: SpillBytesOption = 0,
    snapshot_bytes: SnapshotBytesOption = _SNAPSHOT_BYTES,
    ledger_seconds: LedgerSecondsOption = _LEDGER_SECONDS,
) -> None:
    """Run the lanes of the catalogue until Ctrl-C or SIGTERM, then stop within seconds; nothing is lost either way.

    Where Kafka does not answer at the start, or refuses the workers, the command ends at once with exit status 1; a
    Kafka that goes away later is waited for. A worker that dies is started again, ever more slowly; one that dies again
    and again, or is refused, ends the command with exit status 1. Messages go to standard error.
    """
    require_extra()
    from gebus.kafka.lane_clients import require_answer
    from gebus.lanes.memory import memory
    from gebus.lanes.messages import log_to_stderr
    from gebus.lanes.ports import SystemClock
    from gebus.lanes.supervisor import Supervisor, SupervisorSettings, spawn_worker, worker_command

    log_to_stderr()
    # What every worker would find wrong is said once, here.
    plan.lanes(load(root), on=today())
    require_answer(Connection.load(PRINCIPAL))
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    settings = LaneSettings(
        state_bytes=state_bytes or memory() // 2 // workers,
        spill_bytes=spill_bytes,
        snapshot_bytes=snapshot_bytes,
        ledger_seconds=ledger_seconds,
    )
    supervisor = Supervisor(
        workers,
        lambda slot, restarts: spawn_worker(
            worker_command(slot, root, metrics_port + slot if metrics_port else None, restarts, settings)
        ),
        SystemClock(),
        SupervisorSettings(),
    )
    supervisor.run(stop.is_set, stop.wait)


def accounts_command(*, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """Show what became of every record, by topic and feed, as the lanes committed it.

    For each feed: taken + more = delivered + filtered + duplicate + withheld + dead + waiting, where more is what a
    join made of a record beyond one, and waiting are records that it remembered and that nothing came of when they
    arrived. Of a source, taken and dead. A copy for another lane is counted where it is read, and a record under
    another key than before makes two. Where the topic of a lane's state was deleted it counts since that was made anew,
    and says so. Exit status 1 if a line does not add up.
    """
    require_extra()
    from gebus.lanes.accounts import read_accounts
    from gebus.lanes.notes import read_notes

    plans = plan.lanes(load(root), on=today())
    with reader("accounts") as consumer:
        rows = read_accounts(consumer, plans)
        lives = read_notes(consumer).lives
    anew = {each.name: lives[each.name] for each in plans if each.name in lives and lives[each.name].anew}
    good = all(row.adds_up for row in rows)
    if as_json:
        since = {lane: time_text(life.made_ms) for lane, life in anew.items()}
        typer.echo(json.dumps({"adds_up": good, "anew": since, "rows": [row.as_json() for row in rows]}, indent=2))
    else:
        print_accounts(rows, anew, good=good)
    if not good:
        raise typer.Exit(1)


def dead_letters_command(
    contract: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic contract, as in market.price_report.")],
    *,
    root: CatalogueOption = Path("schemas"),
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest dead letters of a topic contract: why each died, where it came from, and what it held."""
    require_extra()
    from gebus.lanes.dead_letters import newest_dead_letters

    topics = load(root).topics
    if contract not in topics:
        advice = nearest(contract, topics) or f"it has {', '.join(sorted(topics))}"
        raise NotFound(f"{contract}: there is no such topic contract in {root}; {advice}")
    with reader("dead-letters") as consumer:
        letters = newest_dead_letters(consumer, contract, limit)
    if as_json:
        typer.echo(json.dumps([letter.as_json() for letter in letters], indent=2, ensure_ascii=False))
    else:
        _print_dead_letters(contract, letters)


def print_accounts(rows: Sequence[Row], lives: Mapping[str, Life], *, good: bool) -> None:
    """The accounts for people; `lives` are those of lanes whose accounts may have begun anew."""
    anew = {lane: life for lane, life in lives.items() if life.anew}
    for lane, life in sorted(anew.items()):
        typer.echo(
            f"lane {lane} counts since {time_text(life.made_ms)}, when the topic of its state was made anew: what it "
            "had counted before is gone"
        )
    if not rows:
        typer.echo("no lane has committed anything yet; `gebus run lanes` runs them")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("topic", no_wrap=True)
    table.add_column("feed", no_wrap=True)
    outcomes = ("taken", "more", "delivered", "filtered", "duplicate", "withheld", "dead", "waiting")
    for outcome in outcomes:
        table.add_column(outcome, justify="right")
    table.add_column("")
    for row in rows:
        of_source = set(outcomes) - {"taken", "dead"} if not row.feed else set()
        counts = ["" if name in of_source else f"{getattr(row.counts, name):,}" for name in outcomes]
        table.add_row(row.topic, row.feed or "(source)", *counts, "" if row.adds_up else "does not add up")
    out = console()
    out.print(table)
    since = " since then" if anew else ""
    out.print(f"every record{since} is accounted for" if good else "records are NOT accounted for: see the lines above")


def _print_dead_letters(contract: str, letters: Sequence[DeadLetter]) -> None:
    if not letters:
        typer.echo(f"{contract} has no dead letters")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("when", "place", "reason", "about", "detail", "value"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        place = f"{letter.topic}/{letter.partition}@{letter.offset}"
        about = f"{letter.feed}, step {letter.step}" if letter.feed else letter.field
        table.add_row(letter.when, place, letter.reason, about, letter.detail, letter.shown(_SHOWN))
    console().print(table)
