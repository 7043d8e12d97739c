"""sandbox list, sandbox delete: the topics that replays wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Self

import typer
from rich.table import Table

from gebus.catalogue.documents import nearest
from gebus.cli._lanes import ADMIN, AsJson, console
from gebus.kafka import Connection
from gebus.kafka.admin import Admin, Topic
from gebus.model.errors import NotFound

PREFIX = "sandbox."


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    group = typer.Typer(no_args_is_help=True, help="List and delete what replays wrote.")
    group.command("list")(list_command)
    group.command("delete")(delete_command)
    app.add_typer(group, name="sandbox")


@dataclass(frozen=True, slots=True)
class Replayed:
    """The topic of one replay."""

    sandbox: str
    feed: str
    topic: str
    kept: timedelta | None
    """How long a record stays; None for as long as the broker keeps any."""

    @classmethod
    def of(cls, topic: Topic) -> Self:
        sandbox, _, feed = topic.name.removeprefix(PREFIX).partition(".")
        kept = timedelta(milliseconds=int(topic.config["retention.ms"])) if "retention.ms" in topic.config else None
        return cls(sandbox, feed.replace(".", "/", 1), topic.name, kept)


def list_command(*, as_json: AsJson = False) -> None:
    """List what replays wrote. A sandbox stays until it is deleted, its records for as long as those of the feed."""
    with Admin(Connection.load(ADMIN)) as admin:
        found = sandboxes(admin.topics().values())
    if as_json:
        rows = [{"sandbox": one.sandbox, "feed": one.feed, "topic": one.topic} for one in found]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        typer.echo("there is no sandbox; `gebus replay CONSUMER/FEED --into NAME` makes one")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("sandbox", "feed", "records are kept"):
        table.add_column(column, no_wrap=True)
    for one in found:
        table.add_row(one.sandbox, one.feed, "as the broker keeps them" if one.kept is None else str(one.kept))
    console().print(table)


def delete_command(
    sandbox: Annotated[str, typer.Argument(metavar="NAME", help="As --into of the replay named it.")],
) -> None:
    """Delete a sandbox: everything that replays wrote into it, of whatever feeds."""
    with Admin(Connection.load(ADMIN)) as admin:
        found = sandboxes(admin.topics().values())
        topics = [one.topic for one in found if one.sandbox == sandbox]
        if not topics:
            known = dict.fromkeys(one.sandbox for one in found)
            advice = nearest(sandbox, known) or f"there are {', '.join(known) or 'none'}"
            raise NotFound(f"{sandbox}: there is no such sandbox; {advice}")
        admin.delete_topics(topics)
    for topic in topics:
        typer.echo(f"deleted {topic}")


def sandboxes(topics: Iterable[Topic]) -> list[Replayed]:
    """Those that replays wrote."""
    found = sorted((topic for topic in topics if topic.name.startswith(PREFIX)), key=lambda topic: topic.name)
    return [Replayed.of(topic) for topic in found]
