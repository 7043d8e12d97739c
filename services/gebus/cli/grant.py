"""grant: ask for a feed, decide on it, take it back, and see where each stands."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gebus.cli._control import PersonOption, ReasonOption, VersionOption, desk
from gebus.cli._lanes import AsJson, console
from gebus.cli._options import CatalogueOption
from gebus.cli._run import run_group
from gebus.cli._when import when_ms
from gebus.model.control import GRANTS_TOPIC, Known
from gebus.model.errors import GebusError
from gebus.model.grant import Grant, Verb
from gebus.model.working_days import shown

if TYPE_CHECKING:
    from gebus.control.cut import Mark
    from gebus.control.grants import Done

FeedArgument = Annotated[str, typer.Argument(metavar="CONSUMER/FEED", help="The feed; its name alone will do.")]


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    grant = typer.Typer(no_args_is_help=True, help="Grants: who may have what, for what, until when, and who said so.")
    for name, command in (
        ("request", request_command), ("approve", approve_command), ("refuse", refuse_command),
        ("dispute", dispute_command), ("revoke", revoke_command), ("list", list_command), ("show", show_command),
        ("alerts", alerts_command),
    ):  # fmt: skip
        grant.command(name)(command)
    app.add_typer(grant, name="grant")
    run_group(app).command("control")(run_control_command)


def request_command(
    feed: FeedArgument,
    *,
    person: PersonOption,
    until: Annotated[str, typer.Option("--until", help="The first day, or instant, without it; or 30d from now.")],
    basis: Annotated[str, typer.Option("--basis", help="The law or decision that it rests on.")],
    begins: Annotated[str | None, typer.Option("--from", help="The first day or instant; now, unless given.")] = None,
    version: VersionOption = None,
    root: CatalogueOption = Path("schemas"),
) -> None:
    """Ask for a feed as its file stands: its purpose, tier, sources and fields. An applicant of its consumer does.

    Says who decides, and until when. Nothing flows before all of them have approved.
    """
    with desk(root) as at:
        from gebus.control.grants import Asked, feed_of

        now = at.clock.now_ms()
        asked = Asked(basis, when_ms(begins, now) if begins else now, when_ms(until, now))
        done = at.grants.request(at.persons.get(person), feed_of(at.catalogue, feed), asked, version)
    _tell(done)


def approve_command(
    feed: FeedArgument, *, person: PersonOption, reason: ReasonOption = "", version: VersionOption = None,
    root: CatalogueOption = Path("schemas"),
) -> None:  # fmt: skip
    """Approve what is asked for, as an approver of a party that decides on it, or of the authority in its stead."""
    _act("approve", feed, person, reason, version, root)


def refuse_command(
    feed: FeedArgument, *, person: PersonOption, reason: ReasonOption, version: VersionOption = None,
    root: CatalogueOption = Path("schemas"),
) -> None:  # fmt: skip
    """Refuse what is asked for, with the reason. The consumer may dispute it once, before the authority."""
    _act("refuse", feed, person, reason, version, root)


def dispute_command(
    feed: FeedArgument, *, person: PersonOption, reason: ReasonOption, version: VersionOption = None,
    root: CatalogueOption = Path("schemas"),
) -> None:  # fmt: skip
    """Take a refusal to the data authority that the contract names, as an applicant of the consumer."""
    _act("dispute", feed, person, reason, version, root)


def revoke_command(
    feed: FeedArgument, *, person: PersonOption, reason: ReasonOption, version: VersionOption = None,
    root: CatalogueOption = Path("schemas"),
) -> None:  # fmt: skip
    """Take a grant back. When this returns, the consumer reads nothing more, programs that run included, and the lanes
    have stopped: the mark that it prints is where the feed ends.

    Exit status 1 if a worker has not confirmed within 5 seconds; the consumer is cut off all the same.
    """
    done = _act("revoke", feed, person, reason, version, root)
    if done.mark is not None and done.mark.silent:
        raise typer.Exit(1)


def list_command(*, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """Show where each feed stands."""
    with desk(root) as at:
        known, now = at.grants.log.read(), at.clock.now_ms()
        names = sorted({*at.catalogue.feeds, *known.grants})
        rows = [_row(name, known, now) for name in names]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table("feed", "state", "number", "until", "awaits")
    for row in rows:
        table.add_row(row["feed"], row["state"], str(row["number"] or ""), row["until"], row["awaits"])
    console().print(table)


def show_command(feed: FeedArgument, *, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """Show a feed's grants: what was asked, who decides until when, and every act."""
    with desk(root) as at:
        from gebus.control.grants import feed_of

        name = feed_of(at.catalogue, feed).id
        known, now = at.grants.log.read(), at.clock.now_ms()
    held, broken = known.grants.get(name), known.broken.get(f"{GRANTS_TOPIC} {name}", "")
    if as_json:
        grants = [{**grant.model_dump(mode="json"), "state": grant.state(now)} for grant in held.grants] if held else []
        told = {"feed": name, "version": held.version if held else 0, "broken": broken, "grants": grants}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{name}: version {held.version if held else 0}")
    if broken:
        typer.echo(f"  what stands in {GRANTS_TOPIC} does not count: {broken}")
    for grant in held.grants if held else ():
        typer.echo("\n".join(_lines(grant, now)))


def alerts_command(*, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """Show what looks wrong: grants that nobody uses, feeds whose consumer tries without one, words that do not count.

    Exit status 1 if there is anything to show.
    """
    with desk(root) as at:
        from gebus.control.alerts import alerts

        found = list(alerts(at.grants.log, at.admin, at.catalogue, at.clock.now_ms()))
    if as_json:
        typer.echo(json.dumps([alert.as_json() for alert in found], ensure_ascii=False, indent=2))
    else:
        for alert in found:
            typer.echo(f"{alert.kind}: {alert.about}: {alert.said}")
    if found:
        raise typer.Exit(1)


def run_control_command(
    *,
    every: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 2.0,
    root: CatalogueOption = Path("schemas"),
) -> None:
    """Do what time alone makes due, until Ctrl-C or SIGTERM: escalate requests whose deadline passed, and take the
    right to read from consumers whose grant ended. Without it the lanes stop at a grant's end all the same.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with desk(root) as at:
        from gebus.control.keeper import keep

        while not stop.is_set():
            try:
                for line in keep(at.grants.log, at.admin, at.catalogue, at.clock.now_ms):
                    typer.echo(line)
            except GebusError as error:
                if not error.retriable:
                    raise
                typer.echo(f"gebus: {error}; the next look is in {every:g} s", err=True)
            stop.wait(every)


def _act(verb: Verb, feed: str, person: str, reason: str, version: int | None, root: Path) -> Done:  # noqa: PLR0917 - a command's own arguments
    with desk(root) as at:
        from gebus.control.grants import feed_of

        done = at.grants.act(at.persons.get(person), verb, feed_of(at.catalogue, feed), reason, version)
    _tell(done)
    return done


def _tell(done: Done) -> None:
    typer.echo("\n".join(_lines(done.grant, done.at_ms)))
    for verb, acls in (("may read", done.rights.given), ("may no longer read", done.rights.taken)):
        for line in sorted({f"{acl.principal} {verb} {acl.name}" for acl in acls}):
            typer.echo(line)
    if done.mark is not None:
        typer.echo("\n".join(_mark(done.mark)))
    typer.echo(f"version {done.version}")


def _mark(mark: Mark) -> list[str]:
    ends = ", ".join(f"{partition}@{end}" for partition, end in mark.ends.items())
    lines = [f"mark: the feed ends at {ends}; {_workers(len(mark.confirmed))} confirmed within {mark.seconds:.1f} s"]
    if mark.silent:
        slots = ", ".join(map(str, mark.silent))
        lines.append(
            f"the workers of the slots {slots} have not confirmed; they may still write, and nobody may read it"
        )
    return lines


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _row(name: str, known: Known, now: int) -> dict[str, Any]:
    held = known.grants.get(name)
    if held is None:
        broken = f"{GRANTS_TOPIC} {name}" in known.broken
        return {"feed": name, "state": "broken" if broken else "none", "number": None, "until": "", "awaits": ""}
    grant = held.active(now) or held.newest
    awaits = ", ".join(f"{one.party} until {shown(grant.due(one).at_ms)}" for one in grant.pending())
    return {"feed": name, "state": grant.state(now), "number": grant.number, "until": shown(grant.terms.expires),
            "awaits": awaits if grant.state(now) in ("requested", "disputed") else ""}  # fmt: skip


def _lines(grant: Grant, now: int) -> list[str]:
    terms = grant.terms
    paper = f", approved on paper by {grant.recorded_from}" if grant.recorded_from else ""
    lines = [
        f"{grant.id}: {grant.state(now)}{paper}",
        f"  for      {terms.purpose}, tier {terms.tier}, {terms.basis}",
        f"  period   {shown(terms.begins)} to {shown(terms.expires)}",
        f"  fields   {', '.join(terms.fields)}",
    ]
    if grant.state(now) in ("requested", "disputed"):
        for one in grant.pending():
            due = grant.due(one)
            sure = "" if due.certain else ", provisional: no notice of rest days of that year is known"
            late = f"; {one.authority} may decide in its stead from then on" if one.authority else ""
            lines.append(f"  awaits   {one.party}, before {shown(due.at_ms)}{sure}{late}")
    said = (f"{act.verb} by {act.by}{': ' + act.reason if act.reason else ''}" for act in grant.acts)
    return [*lines, *(f"  {shown(act.at)}  {words}" for act, words in zip(grant.acts, said, strict=True))]
