"""check, apply: the catalogue, and what a broker and a registry hold because of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gebus import plan, usage
from gebus.catalogue import Places, load
from gebus.cli._instant import today
from gebus.cli._options import CatalogueOption
from gebus.cli._paper import PaperGrants
from gebus.kafka import Connection, stack_home
from gebus.kafka.admin import Admin
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.model.catalogue import Catalogue
from gebus.model.errors import ContractError, Finding
from gebus.provision import Change, Notebook, apply, compare, desired, observe

_ADMIN = "gebus-admin"
_COUNTED = {
    "parties": ("party", "parties"),
    "topics": ("topic", "topics"),
    "feeds": ("feed", "feeds"),
    "codes": ("code list", "code lists"),
}

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("check")(check_command)
    app.command("apply")(apply_command)


def check_command(*, root: CatalogueOption = Path("schemas"), as_json: AsJson = False) -> None:
    """Check the catalogue: every finding of every file, with its line, what was found and what is allowed.

    Nothing is connected to. Exit status 0 if the catalogue breaks no rule, 1 otherwise.
    """
    try:
        catalogue = _checked(root)
    except ContractError as error:
        _print_findings(error.findings, root, as_json=as_json)
        raise typer.Exit(1) from None
    counts = {part: len(getattr(catalogue, part)) for part in _COUNTED}
    if as_json:
        typer.echo(json.dumps({**counts, "findings": []}))
    else:
        told = (f"{count} {_COUNTED[part][count != 1]}" for part, count in counts.items())
        typer.echo(f"{root}: {', '.join(told)}: no rule broken")


def apply_command(
    *,
    root: CatalogueOption = Path("schemas"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes, and make none.")] = False,
    allow_removal: Annotated[
        bool, typer.Option("--allow-removal", help="Also remove what the catalogue no longer names.")
    ] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONSUMER/FEED.STEP",
            help="Let a step forget what it remembers, after a refusal said what is lost; may be repeated. "
            "`corrections` is the name of what `corrections: follow` remembers.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the broker and the registry to what the catalogue says: topics, schemas, principals, rights.

    Prints every change; `gebus policy diff` says before who sees more or less by it. Where the catalogue breaks a rule,
    a schema breaks an earlier version, the partitions of a topic would change, or a step would forget what it
    remembers, nothing at all is changed. A second run changes nothing. Passwords of new principals are written below
    GEBUS_HOME/secrets, readable by their owner alone.
    """
    try:
        catalogue = _checked(root)
        connection = Connection.load(_ADMIN)
        secrets = Secrets(stack_home() / "secrets")
        with Admin(connection) as admin, Registry(connection) as registry:
            papers, notebook = PaperGrants(connection, admin, catalogue), Notebook(connection)
            lanes = plan.lanes(catalogue, on=today())
            wanted = desired(catalogue, lanes, papers.granted)
            there = observe(admin, registry, secrets, notebook, [schema.subject for schema in wanted.schemas])
            changes = compare(wanted, there, root, now_ms=time.time_ns() // 1_000_000, forget=forget or ())
            made = (*changes.additions, *(changes.removals if allow_removal else ()), *papers.changes)
            kept = () if allow_removal else changes.removals
            if not as_json:
                _print_changes(made, kept)
                if made and lanes:
                    typer.echo(f"policy {lanes[0].policy}: `gebus policy diff` says who sees more or less by a change")
            if not dry_run:
                apply(made, admin, registry, secrets, notebook)
                papers.record()
            _print_end(made, kept, dry_run=dry_run, as_json=as_json)
    except ContractError as error:
        _print_findings(error.findings, root, as_json=as_json)
        raise typer.Exit(1) from None


def _checked(root: Path) -> Catalogue:
    catalogue = load(root)
    places = Places(root)
    findings = [*plan.check(catalogue, places), *usage.check(catalogue, places)]
    if findings:
        raise ContractError(findings)
    return catalogue


def _print_findings(findings: Sequence[Finding], root: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        place, _, rest = str(finding).partition(": ")
        console.print(Text.assemble((place, "bold"), ": ", rest))
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    console.print(Text(f"{root}: {count}", style="red"))


def _print_changes(made: Sequence[Change], kept: Sequence[Change]) -> None:
    styles = {"+": "green", "~": "cyan", "-": "red", "=": "yellow"}
    console = Console(soft_wrap=True, highlight=False)
    for mark, change in (*((change.mark, change) for change in made), *(("=", change) for change in kept)):
        console.print(Text.assemble((f"{mark} {change.action}", styles[mark]), f" {change.name}: {change.detail}"))


def _print_end(made: Sequence[Change], kept: Sequence[Change], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        rows = {name: [_row(change) for change in part] for name, part in (("changes", made), ("kept", kept))}
        typer.echo(json.dumps({**rows, "dry_run": dry_run}, ensure_ascii=False))
        return
    if kept:
        typer.echo(f"{len(kept)} kept that the catalogue does not name; --allow-removal removes them")
    count = "1 change" if len(made) == 1 else f"{len(made)} changes"
    done = "to make; this was a dry run" if dry_run else "made"
    typer.echo(f"{count} {done}" if made else "nothing to change")


def _row(change: Change) -> dict[str, str]:
    return {"action": change.action, "name": change.name, "detail": change.detail}
