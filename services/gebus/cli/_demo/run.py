"""The order of the demo."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from gebus.cli._demo import attacks, recon
from gebus.cli._demo.contact import hold_back, run_contact
from gebus.cli._demo.history import History
from gebus.cli._demo.live import LIVE_EVENTS, run_live
from gebus.cli._demo.programme import programme
from gebus.cli._demo.publishing import publish_all, read_all
from gebus.cli._demo.reading import read_accounts, read_dead_letters, read_feeds, read_usage
from gebus.cli._demo.report import Result
from gebus.cli._demo.stage import Stage, Workers, checked, running_lanes, stage, wait_for
from gebus.cli._demo.verdict import Check, judge, usage_check
from gebus.model.catalogue import Catalogue
from gebus.stack.layout import Ports
from gebus.stack.report import Report
from gebus_connectors.sources.reading import Event

_KILL_AT = 0.4
"""The share of the bulk that is sent when a worker is killed."""
_CONFLICTS = "hubei-health/count-conflicts"
_SAMPLE_FEEDS = ("hubei-health/hospital-needs", "xinhua-street/district-needs", "ditu/public-needs")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    data: Path
    root: Path
    home: Path
    ports: Ports
    workers: int
    keep: bool


def run(options: Options, report: Report, console: Console) -> Result:
    """Play the demo from an empty stack to its verdict."""
    seconds: dict[str, float] = {}
    history = History()
    plays = programme(options.data, checked(options.root))
    begun = time.monotonic()
    with ThreadPoolExecutor(1, thread_name_prefix="data") as aside, ExitStack() as scope:
        reading = aside.submit(read_all, plays, history)
        on = scope.enter_context(stage(options.root, options.home, options.ports, report, keep=options.keep))
        events = reading.result()
        case = hold_back(events)
        seconds["up and apply"] = time.monotonic() - begun
        with running_lanes(on, options.workers) as workers:
            with _timed(seconds, "publish"):
                _publish(on, workers, events, history, console)
            with _timed(seconds, "refusals"):
                report.step("bad records, and parties that reach for what is not theirs")
                history.planted += attacks.plant(on, _now_ms())
                history.refusals += attacks.refusals(on, _now_ms())
            with _timed(seconds, "lanes"):
                on.wait_until_taken(60)
            with _timed(seconds, "live"):
                report.step(f"a live part of {LIVE_EVENTS} more events, paced, to measure how long a record takes")
                run_live(on, history, _now_ms())
                report.step("a case becomes known, and who travelled with it is told; then there was no case")
                run_contact(on, history, case)
                on.wait_until_taken(30)
            with _timed(seconds, "read feeds"):
                report.step("every consumer reads its feeds")
                read_feeds(on, history)
                letters = read_dead_letters(on)
            history.replaced_by = workers.successor(20) if history.killed else 0
        with _timed(seconds, "accounts"):
            verdict = judge(on.catalogue, history, read_accounts(on), letters)
            read_usage(on, history)
            verdict.checks.append(usage_check(history))
        sample = _sample(on.catalogue, history)
        conflicts = history.received.get(_CONFLICTS, ())
        reconciled = recon.compare(options.data, history.told, conflicts)
        if reconciled is not None:
            verdict.checks.append(Check("conflicts of counts are those of recon_city_day", reconciled.problem))
    return Result(plays, history, verdict, seconds, options.home, options.keep, sample, reconciled)


def _publish(
    on: Stage, workers: Workers, events: Mapping[str, Sequence[Event]], history: History, console: Console
) -> None:
    total = sum(map(len, events.values()))
    sent, reached = _Count(), threading.Event()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{len(events)} parties publish {total} events", total=total)

        def advance() -> None:
            if sent.add() == int(total * _KILL_AT):
                reached.set()
            if sent.value % 100 == 0:
                progress.update(task, completed=sent.value)

        def kill() -> None:
            if reached.wait(120):
                # In the middle of its work, not of its start.
                wait_for(on.has_begun, 30)
                history.killed = workers.kill_one()

        if not console.is_terminal:
            console.print(f"{len(events)} parties publish {total} events", soft_wrap=True)
        killer = threading.Thread(target=kill, name="killer")
        killer.start()
        try:
            publish_all(on, events, history, advance)
        finally:
            reached.set()
            killer.join()


class _Count:
    """A number that several threads count up."""

    def __init__(self) -> None:
        self._lock, self.value = threading.Lock(), 0

    def add(self) -> int:
        with self._lock:
            self.value += 1
            return self.value


def _sample(catalogue: Catalogue, history: History) -> dict[str, dict[str, Any]]:
    """An invented person's record that all of the sample's feeds hold."""
    held = {
        feed: {str(record["event_id"]): record for record in history.received.get(feed, ())} for feed in _SAMPLE_FEEDS
    }
    for told in reversed(history.told):
        if told.event.get("contact_phone") and all(told.event["event_id"] in records for records in held.values()):
            tiers = {feed: f"{feed} (tier {catalogue.feeds[feed].tier})" for feed in held}
            shown = {tiers[feed]: dict(records[str(told.event["event_id"])]) for feed, records in held.items()}
            return {f"sent by {told.party}": dict(told.event), **shown}
    return {}


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[name] = time.monotonic() - begun


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
