"""publish, consume: what a party does at the edge of the bus, from the command line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._event_file import EventFile, Line
from gebus.cli._feed_output import writer
from gebus.cli._instant import instant
from gebus.cli._options import CatalogueOption
from gebus.kafka import Connection
from gebus.model.errors import EventRefused, GebusError, NotFound

if TYPE_CHECKING:
    from gebus_connectors.sdk import Delivery, Publisher, Sent, Start, Subscriber

SOME_REFUSED = 3
"""The exit status of `publish` where some lines were refused, and the good ones sent."""
_LISTED = 20
_BATCH = 200

PartyOption = Annotated[str, typer.Option("--as", metavar="PARTY", help="The party whose credentials are used.")]


class FileFormat(StrEnum):
    """How a file of events is written."""

    JSONL = "jsonl"
    CSV = "csv"


class OutputFormat(StrEnum):
    """How records are shown."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command()(publish)
    app.command()(consume)


def publish(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic contract, as market.price_report.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines or CSV with a header; - is standard input.")],
    *,
    party: PartyOption,
    catalogue: CatalogueOption = Path("schemas"),
    form: Annotated[
        FileFormat | None, typer.Option("--format", help="Taken from the file's name unless given; - is jsonl.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=f"The outcome as JSON, with the first {_LISTED} bad lines.")
    ] = False,
) -> None:
    """Publish the events of a file as a party.

    Each line is checked before it is sent. Bad lines are listed with line, field and reason; the good ones are sent.
    Exit status: 0 all sent, 3 some refused, 1 a failure; then publish the file again, repeats are removed by the bus.
    """
    _require_connectors()
    from gebus_connectors.sdk import Publisher

    with _opened(file) as stream:
        form = form or _format_of(file)
        contracts = load(catalogue)
        if party not in contracts.parties:
            raise NotFound(f"{catalogue} has no party {party}; {nearest(party, contracts.parties)}".rstrip("; "))
        with Publisher(Connection.load(party), contracts, party) as publisher:
            publisher.prepare(topic)
            reader = EventFile(contracts, topic)
            lines = reader.csv(stream) if form is FileFormat.CSV else reader.json_lines(stream)
            outcome = _Outcome(topic, party, file)
            with _progress(stream) as advance:
                _send(publisher, topic, lines, outcome, advance)
    outcome.show(as_json=as_json)


def consume(
    feed: Annotated[str, typer.Argument(metavar="CONSUMER/FEED", help="The feed; its name alone will do.")],
    *,
    party: PartyOption,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="An instant, as 2020-02-01T08:00:00+08:00, or how long ago, as 2h."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more at the end, until Ctrl-C.")] = False,
    form: Annotated[OutputFormat, typer.Option("--format")] = OutputFormat.TABLE,
    receipts: Annotated[
        Path | None,
        typer.Option(
            help="Keep a receipt of each record in this file, for `gebus ledger prove`; it holds the records."
        ),
    ] = None,
) -> None:
    """Show the records of a feed, from its beginning or from a time up to its end now. What is read stays unread
    for the party's own programs: no position is stored.
    """
    _require_connectors()
    from gebus_connectors.sdk import Subscriber

    begin: Start = instant(start, datetime.now(UTC)) if start else "beginning"
    with Subscriber(Connection.load(party), [feed], start=begin) as subscriber:
        before = signal.signal(signal.SIGINT, lambda *_: subscriber.stop())
        try:
            with _receipts(subscriber, receipts) as keep:
                count = _show(subscriber, form, keep, follow=follow)
        finally:
            signal.signal(signal.SIGINT, before)
    typer.echo(f"{count} record{'' if count == 1 else 's'} of {feed}", err=True)


@dataclass
class _Outcome:
    """What became of the lines of one file."""

    topic: str
    party: str
    file: str
    sent: int = 0
    refused: int = 0
    listed: list[tuple[int, EventRefused]] = field(default_factory=list)

    def refuse(self, line: int, refused: EventRefused) -> None:
        self.refused += 1
        if len(self.listed) < _LISTED:
            self.listed.append((line, refused))

    def show(self, *, as_json: bool) -> None:
        """Print it, and leave with the status that says it."""
        if not self.sent and not self.refused:
            file = "standard input" if self.file == "-" else self.file
            raise GebusError(f"{file} holds no event; a file of events has one JSON object a line, or CSV rows")
        if as_json:
            bad = [
                {"line": line, "path": error.path, "found": error.found, "allowed": error.allowed}
                for line, error in self.listed
            ]
            shown = {"topic": self.topic, "party": self.party, "sent": self.sent, "refused": self.refused, "bad": bad}
            typer.echo(json.dumps(shown, ensure_ascii=False))
        else:
            for line, error in self.listed:
                typer.echo(f"{self.file}:{line}: {error.path}: {error.found}; allowed: {error.allowed}", err=True)
            if self.refused > len(self.listed):
                typer.echo(f"and {self.refused - len(self.listed)} more", err=True)
            typer.echo(f"{self.topic} as {self.party}: {self.sent} sent, {self.refused} refused")
        if self.refused:
            raise typer.Exit(SOME_REFUSED)


def _send(
    publisher: Publisher, topic: str, lines: Iterator[Line], outcome: _Outcome, advance: Callable[[], None]
) -> None:
    open_lines: deque[tuple[int, Sent]] = deque()
    try:
        for line in lines:
            advance()
            try:
                if isinstance(line.event, EventRefused):
                    raise line.event
                open_lines.append((line.number, publisher.send(topic, line.event)))
            except EventRefused as refused:
                outcome.refuse(line.number, refused)
            else:
                outcome.sent += 1
            while open_lines and open_lines[0][1].acknowledged:
                open_lines.popleft()
        publisher.flush()
    except (GebusError, KeyboardInterrupt) as error:
        publisher.close()
        first = next((number for number, sent in open_lines if not sent.acknowledged), None)
        where = (
            "all that was sent is stored" if first is None else f"line {first} is the first that is not stored for sure"
        )
        raise GebusError(
            f"{outcome.file}: stopped after {outcome.sent} events: {str(error) or 'interrupted'}; {where}; "
            "publish the file again, the bus removes what repeats"
        ) from error


@contextmanager
def _receipts(subscriber: Subscriber, path: Path | None) -> Iterator[Callable[[Sequence[Delivery]], None]]:
    """What keeps the receipts of deliveries: in a file for its owner's eyes alone, or nowhere."""
    if path is None:
        yield lambda _: None
        return
    try:
        file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")  # noqa: PTH123, SIM115 - Path.open cannot set the mode
    except OSError as error:
        raise GebusError(f"{path} cannot be written: {error.strerror}") from None
    with file:
        yield lambda deliveries: file.writelines(f"{subscriber.receipt(one).encode()}\n" for one in deliveries)


def _show(
    subscriber: Subscriber, form: OutputFormat, keep: Callable[[Sequence[Delivery]], None], *, follow: bool
) -> int:
    write, count = writer(form.value, sys.stdout), 0
    try:
        for deliveries in _followed(subscriber) if follow else _batches(subscriber):
            keep(deliveries)
            write([delivery.record for delivery in deliveries])
            sys.stdout.flush()
            count += len(deliveries)
    except BrokenPipeError:
        # What reads the pipe has seen enough, as `head` does. Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return count


def _followed(subscriber: Subscriber) -> Iterator[list[Delivery]]:
    while not subscriber.stopping:
        yield subscriber.poll()


def _batches(subscriber: Subscriber) -> Iterator[list[Delivery]]:
    deliveries = subscriber.read_to_end()
    while batch := list(islice(deliveries, _BATCH)):
        yield batch


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    path = Path(file)
    if path.is_dir():
        raise GebusError(
            f"{file} is a directory; publish its files one by one, or pipe them into `gebus publish TOPIC -`"
        )
    try:
        stream = path.open("rb")
    except OSError as error:
        raise GebusError(f"{file} cannot be read: {error.strerror}") from None
    with stream:
        yield stream


def _format_of(file: str) -> FileFormat:
    suffix = Path(file).suffix.lower()
    known = {".csv": FileFormat.CSV, ".jsonl": FileFormat.JSONL, ".ndjson": FileFormat.JSONL}
    if file != "-" and suffix not in known:
        raise GebusError(f"{file}: the name does not say how it is written; give --format jsonl or --format csv")
    return known.get(suffix, FileFormat.JSONL)


@contextmanager
def _progress(stream: BinaryIO) -> Iterator[Callable[[], None]]:
    """A bar of the bytes read, where there is a terminal; of a pipe, that it goes on."""
    console = Console(stderr=True)
    size = os.fstat(stream.fileno()).st_size if stream.seekable() else None
    columns = (SpinnerColumn(), TextColumn("{task.fields[lines]} lines"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=size, lines=0)
        lines = 0

        def advance() -> None:
            nonlocal lines
            lines += 1
            if lines % 500 == 0:
                bar.update(task, lines=lines, completed=stream.tell() if size is not None else 0)

        yield advance


def _require_connectors() -> None:
    if find_spec("gebus_connectors") is None:
        raise GebusError("publish and consume need the connectors: pip install gebus-connectors")
