"""replay: a feed once more from the log, into a sandbox, and held against what it delivered."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gebus import plan
from gebus.catalogue import load
from gebus.catalogue.documents import nearest
from gebus.cli._instant import instant, today
from gebus.cli._lanes import ADMIN, AsJson, reader, require_extra
from gebus.cli._options import CatalogueOption
from gebus.kafka import Connection, stack_home
from gebus.model.errors import NotFound
from gebus.plan import FeedPlan, LanePlan

if TYPE_CHECKING:
    from confluent_kafka import Consumer
    from gebus_kernel import Kernel

    from gebus.cli._sandbox import Difference, Records, Sandbox

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    app.command("replay")(replay_command)


def replay_command(
    feed: Annotated[str, typer.Argument(metavar="CONSUMER/FEED")],
    *,
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="The sandbox: a new topic is named after it.")],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="An instant, as 2020-02-01T08:00:00+08:00, or how long ago, as 2h; else the log's beginning.",
        ),
    ] = None,
    root: CatalogueOption = Path("schemas"),
    against: Annotated[bool, typer.Option("--compare", help="Say whether the live feed is equal, key by key.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a feed pass over the log once more, and write what it delivers to sandbox.NAME.CONSUMER.FEED.

    The lane begins with nothing remembered, so a replay that begins later than the log does may deliver what the feed
    dropped as a repeat, and miss pairs whose first half is older. Nothing is written to the live feed; states, accounts
    and offsets stay as they are. Exit status 1 if --compare finds a difference, or nothing to compare. `gebus sandbox`
    lists and deletes what replays wrote.
    """
    require_extra()
    from gebus.cli._sandbox import Sandbox, compare

    if not _NAME.fullmatch(into):
        raise typer.BadParameter(
            f"{into!r}; use lower-case letters, digits and hyphens, 40 at most", param_hint="--into"
        )
    from_ms = None if start is None else _past(start)
    plans = plan.lanes(load(root), on=today())
    lane, chosen = _find(feed, plans)
    with reader("replay") as consumer:
        sandbox = Sandbox(Connection.load(ADMIN), into, chosen)
        count, replayed = _write(lane, chosen, consumer, sandbox, from_ms=from_ms, keep=against)
        found, compared = None, 0
        if against:
            live = _live(consumer, chosen, from_ms)
            found, compared = compare(live, replayed, ordered=_is_ordered(lane, plans)), max(len(live), count)
    _tell(_Outcome(sandbox.topic, count, found, compared), as_json=as_json)
    if found is not None and (found or not compared):
        raise typer.Exit(1)


def _write(
    lane: LanePlan, feed: FeedPlan, consumer: Consumer, sandbox: Sandbox, *, from_ms: int | None, keep: bool
) -> tuple[int, Records]:
    """Replay into the sandbox; how many records that were, and if wanted which."""
    from gebus.cli._sandbox import Records
    from gebus.lanes.replay import Span, replay, unlimited

    count, kept = 0, Records()
    with _kernel(unlimited(lane)) as kernel:
        for records in replay(lane, feed, kernel, consumer, Span(from_ms, time.time_ns() // 1_000_000)):
            count += len(records)
            for record in records if keep else ():
                kept.add(record["key"], record["value"])
            sandbox.write(records)
        sandbox.close()
    return count, kept


def _past(text: str) -> int:
    """The instant in ms; BadParameter if it lies ahead."""
    now = datetime.now(UTC)
    found = instant(text, now)
    if found > now:
        raise typer.BadParameter(
            f"{text} lies ahead of now; write an instant before, or leave it out", param_hint="--from"
        )
    return int(found.timestamp() * 1000)


def _find(feed: str, plans: Sequence[LanePlan]) -> tuple[LanePlan, FeedPlan]:
    found = {one.name: (each, one) for each in plans for one in each.feeds}
    if feed not in found:
        advice = nearest(feed, found) or f"they are {', '.join(sorted(found))}"
        raise NotFound(f"{feed}: the catalogue has no such feed; {advice}")
    return found[feed]


@contextmanager
def _kernel(lane: LanePlan) -> Iterator[Kernel]:
    """The lane as its workers have it: the same schemas, and the same keys of tokens."""
    from gebus_kernel import Kernel

    from gebus.kafka.registry import Registry
    from gebus.lanes.kernels import Kernels
    from gebus.lanes.places import Lanes
    from gebus.lanes.ports import SystemClock
    from gebus.lanes.schemas import WriterSchemas
    from gebus.lanes.settings import LaneSettings
    from gebus.lanes.token_keys import master_secret

    lanes = Lanes([lane])
    with Registry(Connection.load(ADMIN)) as registry:
        contracts = {name: one.contract for name, one in lanes.inputs.items()}
        schemas = WriterSchemas(registry, SystemClock(), LaneSettings(), contracts)
        try:
            yield Kernels(lanes, Kernel, registry, schemas, master_secret(stack_home())).new()
        finally:
            schemas.close()


def _is_ordered(lane: LanePlan, plans: Sequence[LanePlan]) -> bool:
    """Whether the live lane's records of a key have one order."""
    from gebus.lanes.places import Lanes

    ordered = Lanes(plans).ordered_topics
    return any(topic in ordered for one in lane.inputs for topic in one.topics)


def _live(consumer: Consumer, feed: FeedPlan, from_ms: int | None) -> Records:
    """What the live feed holds that was delivered since."""
    from gebus.cli._sandbox import Records
    from gebus.lanes.log import read_to_end
    from gebus.lanes.places import Place

    found = Records()
    for message in read_to_end(consumer, [Place(feed.topic, number) for number in range(feed.partitions)]):
        if message.timestamp()[1] >= (from_ms or 0):
            found.add(message.key(), message.value() or b"")
    return found


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a replay wrote; `found` is None where nobody asked for a comparison, `compared` how many records it had."""

    topic: str
    records: int
    found: Sequence[Difference] | None
    compared: int


def _tell(outcome: _Outcome, *, as_json: bool) -> None:
    found = outcome.found
    if as_json:
        told: dict[str, Any] = {"topic": outcome.topic, "records": outcome.records}
        if found is not None:
            told |= {"compared": outcome.compared, "equal": not found and outcome.compared > 0}
            told |= {"keys_that_differ": len(found), "differences": [one.as_json() for one in found[:_SHOWN]]}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{outcome.records:,} records in {outcome.topic}")
    if found is None:
        return
    if not outcome.compared:
        typer.echo("nothing was compared: neither the feed nor the replay has a record of that time; begin earlier")
    elif not found:
        typer.echo("the live feed is equal, key by key")
    else:
        typer.echo(f"the live feed is NOT equal: {len(found):,} keys differ, the first of them:")
        for one in found[:_SHOWN]:
            typer.echo(f"  {one}")
