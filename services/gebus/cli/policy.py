"""policy: what is left of each field and why, and who gains or loses by a change."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gebus import plan
from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._instant import today
from gebus.cli._options import CatalogueOption
from gebus.model.errors import ContractError, GebusError, NotFound
from gebus.model.event import ENVELOPE
from gebus.plan import FeedDifference, FeedPlan, FieldPlan, LanePlan
from gebus.policy import Outcome

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]
_MARKS = {"gains": ("+", "yellow"), "loses": ("-", "cyan"), "changes": ("~", "magenta")}
_GIT_SECONDS = 60


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    group = typer.Typer(name="policy", help="What is left of each field, and why.", no_args_is_help=True)
    group.command("show")(show_command)
    group.command("diff")(diff_command)
    app.add_typer(group)


def show_command(
    feed: Annotated[str, typer.Argument(metavar="CONSUMER/FEED")],
    *,
    root: CatalogueOption = Path("schemas"),
    as_json: AsJson = False,
) -> None:
    """Say for each field of a feed what its consumer gets in each mode, and which line and law decide that."""
    lane, chosen = _feed(plan.lanes(load(root), on=today()), feed, root)
    if as_json:
        typer.echo(json.dumps(_as_values(lane, chosen), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{chosen.name}: for {chosen.purpose}, tier {chosen.tier}, mode {chosen.mode}, policy {lane.policy}")
    if chosen.tokens is not None:
        console.print(f"tokens: {chosen.tokens.words}; {chosen.tokens.source}")
    for field in chosen.fields:
        if field.name in ENVELOPE:
            continue
        source = field.source
        kind = "identifies nobody" if source.identifies == "none" else f"identifies: {source.identifies}"
        console.print(Text.assemble((field.name, "bold"), f"  {field.of}, level {source.level}, {kind}"))
        for mode, outcome in _modes(chosen, field):
            console.print(f"  {mode:<10} {outcome.words}")
            console.print(f"             {outcome.reason}", style="dim")
            if outcome.line is not None:
                console.print(f"             {outcome.line.code}: {outcome.line.source}", style="dim")


def diff_command(
    *,
    against: Annotated[
        str, typer.Option(metavar="REVISION|DIRECTORY", help="A revision of git, or a directory with a catalogue.")
    ] = "HEAD",
    root: CatalogueOption = Path("schemas"),
    as_json: AsJson = False,
) -> None:
    """Say which consumers would see more, less or otherwise of which fields, before a change is applied.

    Compares the catalogue with what it is in a revision of git, or with another directory: policy, schemas and feeds
    together. `+` is what a consumer gains, `-` what it loses, `~` what is neither. Exit status 0 either way.
    """
    after = plan.lanes(load(root), on=today())
    with _catalogue_of(against, root) as other:
        try:
            before = plan.lanes(load(other), on=today())
        except ContractError as error:
            raise GebusError(f"the catalogue of {against} cannot be compared with: {error.findings[0]}") from error
        except GebusError as error:
            raise GebusError(f"the catalogue of {against} cannot be compared with: {error}") from error
    found = plan.differences(before, after)
    if as_json:
        versions = {"before": _version(before), "after": _version(after)}
        typer.echo(json.dumps({**versions, "feeds": [asdict(one) for one in found]}, ensure_ascii=False, indent=2))
        return
    _print(found, before, after)


def _print(found: Sequence[FeedDifference], before: Sequence[LanePlan], after: Sequence[LanePlan]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"policy {_version(before)} -> {_version(after)}")
    for feed in found:
        what = {"new": " (a new feed)", "gone": " (the feed is gone)", "changed": ""}[feed.what]
        console.print(Text.assemble((feed.feed, "bold"), what))
        for field in feed.fields:
            mark, style = _MARKS[field.change]
            when = "" if field.mode == "normal" else " in an emergency"
            console.print(Text.assemble((f"  {mark} {field.field}{when}", style), f": {field.before} -> {field.after}"))
            console.print(f"      {field.reason}", style="dim")
    gain, lose = (
        sorted({feed.consumer for feed in found for field in feed.fields if field.change == change})
        for change in ("gains", "loses")
    )
    if not found:
        console.print("nobody sees more, less or otherwise")
    else:
        console.print(f"gain: {', '.join(gain) or 'nobody'}; lose: {', '.join(lose) or 'nobody'}")


def _modes(feed: FeedPlan, field: FieldPlan) -> Iterator[tuple[str, Outcome]]:
    if feed.mode != "any":
        yield feed.mode, field.outcome
    elif field.outcome.mask == field.emergency.mask:
        yield "always", field.outcome
    else:
        yield "normal", field.outcome
        yield "emergency", field.emergency


def _as_values(lane: LanePlan, feed: FeedPlan) -> dict[str, object]:
    return {
        "feed": feed.name,
        "purpose": feed.purpose,
        "tier": feed.tier,
        "mode": feed.mode,
        "policy": lane.policy,
        "tokens": feed.tokens and {"period": feed.tokens.period, "hash": feed.tokens.hash},
        "fields": [
            {
                "name": field.name,
                "of": field.of,
                "level": field.source.level,
                "identifies": field.source.identifies,
                "modes": {
                    mode: {
                        "outcome": outcome.words,
                        "decided_by": outcome.decided_by,
                        "reason": outcome.reason,
                        "line": outcome.line and outcome.line.code,
                        "law": outcome.line and outcome.line.source,
                    }
                    for mode, outcome in _modes(feed, field)
                },
            }
            for field in feed.fields
            if field.name not in ENVELOPE
        ],
    }


def _feed(lanes: Sequence[LanePlan], name: str, root: Path) -> tuple[LanePlan, FeedPlan]:
    feeds = {feed.name: (lane, feed) for lane in lanes for feed in lane.feeds}
    if name not in feeds:
        raise NotFound(f"{name}: there is no such feed in {root}; {nearest(name, feeds) or 'see feeds/ there'}")
    return feeds[name]


def _version(lanes: Sequence[LanePlan]) -> str:
    return lanes[0].policy if lanes else "none"


@contextmanager
def _catalogue_of(against: str, root: Path) -> Iterator[Path]:
    """The directory to compare with: one that is there, or what git knows of this catalogue in a revision."""
    if Path(against).is_dir():
        yield Path(against)
        return
    git = shutil.which("git")
    if git is None:
        raise NotFound(f"{against}: there is no such directory, and git, which knows revisions, is not installed")
    # `--end-of-options`: what a user names is never taken for an option of git.
    command = [git, "-C", str(root), "archive", "--format=tar", "--end-of-options", against, "."]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_GIT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise GebusError(f"git did not answer within {_GIT_SECONDS} s about {against}; try again") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotFound(
            f"{against} is neither a directory nor a revision that git knows of {root}"
            f"{f' ({said[-1]})' if said else ''}; name one with --against"
        )
    with tempfile.TemporaryDirectory(prefix="gebus-policy-") as directory:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(directory, filter="data")
        yield Path(directory)
