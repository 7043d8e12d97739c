"""The province's catalogue on the real stack: hospitals publish visits, the processor runs, the CDC reads signals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.running_stack import RunningStack, wait_until

from gebus.catalogue import load
from gebus.processors.early_warning import EarlyWarning
from gebus_connectors.sdk import Publisher, Subscriber

ROOT = Path(__file__).parents[3]
CATALOGUE = load(ROOT / "schemas")
FIRST = date(2020, 1, 1)
GROUP = "yujing.early-warning"
STATE_TOPIC = "gebus.processor.early-warning.state"
FEED = "hubei-cdc/signals"
PATIENCE = 120.0
_TAIL = 40
"""Lines of a process that a failure shows: its end, and what led to it."""

Event = dict[str, Any]


def visits(region: str, days: int, seed: int, *, corrections: int = 4) -> list[Event]:
    """The visits of one division day by day, some of them corrected days later, outbreaks among them."""
    numbers, told = random.Random(f"{region}/{seed}"), []
    for number in range(days):
        outbreak = 25 if number in (days - 12, days - 11, days - 3) else 0
        told.append((number, _count(region, number, numbers.randint(0, 7) + outbreak, 0)))
    for _ in range(corrections):
        number = numbers.randrange(days - 10, days - 1)
        revision = 1 + max(one["revision"] for _, one in told if one["day"] == FIRST + timedelta(days=number))
        corrected = _count(region, number, numbers.randint(0, 30), revision)
        told.append((number + numbers.randint(1, 8), corrected))
    # A correction comes after what it corrects.
    return [one for _, one in sorted(told, key=lambda item: (item[0], item[1]["revision"]))]


def growing(region: str, days: int) -> list[Event]:
    """Visits of one division of which nearly every day is a signal."""
    return [_count(region, number, int(1.25**number), 0) for number in range(days)]


def _count(region: str, number: int, how_many: int, revision: int) -> Event:
    day = FIRST + timedelta(days=number)
    entity = f"{region}/fever/{day}"
    return {
        "event_id": f"{entity}/{revision}", "entity_id": entity, "revision": revision,
        "status": "CORRECTED" if revision else "ASSERTED", "source": "yiyuan", "region": region,
        "occurred_at": datetime(day.year, day.month, day.day, 15, tzinfo=UTC) + timedelta(hours=revision),
        "published_at": datetime.now(UTC), "syndrome": "fever", "day": day, "visits": how_many,
    }  # fmt: skip


def expected(records: Sequence[Mapping[str, Any]]) -> dict[str, Event]:
    """The signals that the pure functions make of the records of the feed, by id, without Kafka."""
    logic, states, signals = EarlyWarning(CATALOGUE.codes), {}, {}
    for record in records:
        key = logic.key(record)
        step = logic.step(states.get(key), record)
        if step.state is not None:
            states[key] = step.state
        signals |= {event["event_id"]: {**event, "source": "yujing"} for event in step.events}
    return signals


@dataclass
class Running:
    """A process under test, and what it said so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def last(self) -> str:
        """How it ended, if it did, and what it said last."""
        return f"exit status {self.process.poll()}\n{''.join(self.lines[-_TAIL:])}"

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.said or self.process.poll() is not None, PATIENCE)
        assert text in self.said, f"it ended with {self.process.poll()}:\n{self.said}"

    def ended(self) -> int:
        """Wait until it ends by itself; its exit status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {PATIENCE} s:\n{self.last}") from None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@dataclass
class Bed:
    """The catalogue of the project, applied to the stack. Close it."""

    stack: RunningStack
    _open: ExitStack = field(default_factory=ExitStack)
    _started: list[tuple[str, Running]] = field(default_factory=list)
    _read_so_far: dict[str, tuple[Subscriber, list[Event]]] = field(default_factory=dict)

    def close(self) -> None:
        self._open.close()

    @property
    def env(self) -> dict[str, str]:
        return {**self.stack.env, "GEBUS_CATALOGUE": str(ROOT / "schemas")}

    def gebus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `gebus` command that ends."""
        return subprocess.run(
            _command(*arguments), env=self.env, capture_output=True, text=True, timeout=120, check=False
        )

    @contextmanager
    def lanes(self) -> Iterator[Running]:
        with _running(_command("run", "lanes"), self.env) as running:
            self._started.append(("lanes", running))
            yield running

    @contextmanager
    def processor(self, *options: str, **environment: str) -> Iterator[Running]:
        with _running(_command("run", "processor", "early-warning", *options), {**self.env, **environment}) as running:
            self._started.append(("processor", running))
            yield running

    def publish(self, events: Sequence[Event]) -> None:
        """Publish as the hospitals do, each acknowledged when this returns."""
        with Publisher(self.stack.connection("yiyuan"), CATALOGUE, "yiyuan") as publisher:
            for event in events:
                publisher.send("health.visit_count", event)

    def counts(self, regions: Sequence[str]) -> list[Event]:
        """What the processor's feed holds of these divisions, in its order."""
        return self._read("yujing", "yujing/visit-counts", regions)

    def signals(self, regions: Sequence[str]) -> list[Event]:
        """What the CDC's feed holds of these divisions, in its order."""
        return self._read("hubei-cdc", FEED, regions)

    def _read(self, party: str, feed: str, regions: Sequence[str]) -> list[Event]:
        if feed not in self._read_so_far:
            subscriber = self._open.enter_context(Subscriber(self.stack.connection(party), [feed]))
            self._read_so_far[feed] = (subscriber, [])
        subscriber, records = self._read_so_far[feed]
        records += [delivery.record for delivery in subscriber.read_to_end()]
        return [record for record in records if record["region"] in regions]

    def wait_signals(self, regions: Sequence[str], told: int) -> list[Event]:
        """Wait until the feed of the processor holds so many counts of the divisions, and the CDC every signal."""
        self._wait(lambda: told - len(self.counts(regions)), "counts short of those published")
        wanted = expected(self.counts(regions))
        assert wanted
        self._wait(lambda: wanted.keys() - {one["event_id"] for one in self.signals(regions)}, "signals missing")
        return self.signals(regions)

    def _wait(self, missing: Callable[[], object], what: str) -> None:
        """Wait until nothing is missing; what is, and what the processes said last, is the failure."""
        try:
            wait_until(lambda: not missing(), PATIENCE)
        except AssertionError:
            # The lanes, and the processors that ran last: the one that was killed, and the one after it.
            shown = [*self._started[:1], *self._started[1:][-2:]]
            said = "".join(f"\n--- {name}: {running.last}" for name, running in shown)
            raise AssertionError(f"{what} after {PATIENCE} s: {missing()}{said}") from None

    def assert_once_and_right(self, regions: Sequence[str], told: int) -> None:
        """Each signal is in the CDC's feed once, and says what the pure functions say."""
        found, wanted = self.wait_signals(regions, told), expected(self.counts(regions))
        assert sorted(one["event_id"] for one in found) == sorted(wanted)
        for one in found:
            assert {name: value for name, value in one.items() if name != "published_at"} == wanted[one["event_id"]]


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from gebus.cli import main; main()", *arguments]


@contextmanager
def _running(command: Sequence[str], env: Mapping[str, str]) -> Iterator[Running]:
    process = subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    running = Running(process)

    def listen() -> None:
        assert process.stdout is not None
        running.lines.extend(process.stdout)

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        listening.join(5)
        if process.stdout is not None:
            process.stdout.close()
