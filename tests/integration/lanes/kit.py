"""A small catalogue on the real stack, workers as processes, and readers of what they committed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from click.testing import Result
from confluent_kafka import Consumer
from kafka import KafkaProducer
from tests.conftest import RunningStack
from typer.testing import CliRunner

from gebus.catalogue import load
from gebus.cli import build
from gebus.kafka.edge import open_producer
from gebus.kafka.lane_clients import open_reader
from gebus.lanes.accounts import Row, read_accounts
from gebus.lanes.dead_letters import DeadLetter, newest_dead_letters
from gebus.lanes.log import read_to_end
from gebus.lanes.places import Place
from gebus.plan import LanePlan, lanes
from gebus.testing.messages import Encoder, key_of

ROOT = Path(__file__).parents[3]
PARTITIONS = 4
PUBLISHERS = ("dxy", "canghailan")
PATIENCE = 90.0
"""Seconds after which a condition is taken never to hold; a killed worker's slices are given away after 6."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE, step: float = 0.3) -> None:
    """Wait for a condition; AssertionError that says which one did not hold."""
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:g} s still not: {what}"
        tick.wait(step)


def write_catalogue(root: Path, domain: str, *, in_a_row: int = 1000) -> None:
    """A catalogue with one contract of two publishers and three feeds of different tiers."""
    for part in ("parties", "codes", f"topics/{domain}", f"events/{domain}", f"examples/{domain}.reading"):
        (root / part).mkdir(parents=True)
    (root / f"topics/{domain}").rmdir()
    for party in (*PUBLISHERS, "ditu", "hubei-health", "hubei-data"):
        shutil.copy(ROOT / "schemas/parties" / f"{party}.yaml", root / "parties")
    for codes in ("field-policy", "token-rules"):
        shutil.copy(ROOT / f"schemas/codes/{codes}.yaml", root / "codes")
    (root / f"topics/{domain}.reading.yaml").write_text(_TOPIC.format(domain=domain, in_a_row=in_a_row))
    (root / f"events/{domain}/Reading.avsc").write_text(json.dumps(_event(domain)))
    (root / f"examples/{domain}.reading/examples.jsonl").write_text(json.dumps(record("e-1")) + "\n")
    for (consumer, feed), (tier, steps, expect) in _FEEDS.items():
        path = root / "feeds" / consumer / f"{domain}-{feed}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            _FEED.format(domain=domain, consumer=consumer, feed=feed, tier=tier, steps=steps, expect=expect)
        )


def record(event_id: str, *, entity: str = "e", quantity: int = 7, source: str = "dxy", **also: Any) -> dict[str, Any]:
    """One event of the contract."""
    now = int(time.time() * 1000)
    return {
        "event_id": event_id, "entity_id": entity, "revision": 0, "status": "ASSERTED", "occurred_at": now,
        "published_at": now, "source": source, "region": "420106", "quantity": quantity, "phone": "13800000001",
        "note": "urgent", **also,
    }  # fmt: skip


@dataclass
class Bed:
    """One contract, applied to the stack, with everything a test does to it."""

    stack: RunningStack
    root: Path
    domain: str
    _clients: ExitStack = field(default_factory=ExitStack)
    _publishers: dict[str, KafkaProducer] = field(default_factory=dict)
    _decoders: dict[str, Encoder] = field(default_factory=dict)

    def close(self) -> None:
        """Close the clients: each is opened once, opening them takes longer than most of what they are asked."""
        self._clients.close()

    @property
    def contract(self) -> str:
        return f"{self.domain}.reading"

    def topic(self, party: str) -> str:
        return f"{self.contract}.{party}"

    @property
    def env(self) -> dict[str, str]:
        return {**self.stack.env, "GEBUS_CATALOGUE": str(self.root)}

    def gebus(self, *arguments: str) -> Result:
        """Run a `gebus` command on this catalogue and stack, in this process: a new one would import for seconds."""
        return CliRunner().invoke(build(), arguments, env=self.env)

    def apply(self) -> None:
        done = self.gebus("apply")
        assert done.exit_code == 0, done.output

    @cached_property
    def plan(self) -> LanePlan:
        (plan,) = lanes(load(self.root))
        return plan

    @cached_property
    def encoder(self) -> Encoder:
        with self.stack.registry() as registry:
            return Encoder(self.plan.inputs[0].schema, registry.latest(f"{self.contract}-value").id)

    @contextmanager
    def publisher(self, party: str = "dxy") -> Iterator[KafkaProducer]:
        if party not in self._publishers:
            self._publishers[party] = producer = open_producer(self.stack.connection(party))
            self._clients.callback(producer.close, 5)
        yield self._publishers[party]
        self._publishers[party].flush(30)

    def publish(self, records: Sequence[Mapping[str, Any]], party: str = "dxy") -> None:
        """Publish good records, each acknowledged when this returns."""
        with self.publisher(party) as producer:
            sent = [
                producer.send(self.topic(party), key=key_of(one, ("entity_id",)), value=self.encoder.encode(one))
                for one in records
            ]
            for one in sent:
                one.get(30)

    def publish_bytes(self, value: bytes | None, *, key: bytes = b"e", party: str = "dxy", **also: Any) -> None:
        """Publish any bytes, acknowledged when this returns."""
        with self.publisher(party) as producer:
            producer.send(self.topic(party), key=key, value=value, **also).get(30)

    @cached_property
    def _open_reader(self) -> Consumer:
        reader = open_reader(self.stack.connection(), "test")
        self._clients.callback(reader.close)
        return reader

    @contextmanager
    def reader(self) -> Iterator[Consumer]:
        try:
            yield self._open_reader
        finally:
            self._open_reader.unassign()  # or it would go on fetching

    def read(self, topic: str, partitions: int = 1) -> list[Any]:
        """Every committed message of a topic now, partition by partition."""
        with self.reader() as reader:
            return list(read_to_end(reader, [Place(topic, number) for number in range(partitions)]))

    def feed(self, name: str) -> list[dict[str, Any]]:
        """What the feed `open`, `all` or `large` holds, decoded as its consumer does."""
        plan = next(feed for feed in self.plan.feeds if feed.name.endswith(f"-{name}"))
        if name not in self._decoders:
            with self.stack.registry() as registry:
                self._decoders[name] = Encoder(plan.output_schema, registry.latest(f"{plan.topic}-value").id)
        return [self._decoders[name].decode(message.value()) for message in self.read(plan.topic)]

    def ids(self, name: str) -> list[str]:
        return [one["event_id"] for one in self.feed(name)]

    def dead(self) -> list[DeadLetter]:
        with self.reader() as reader:
            return newest_dead_letters(reader, self.contract, 10_000)

    def accounts(self) -> list[Row]:
        with self.reader() as reader:
            return read_accounts(reader, [self.plan])

    def taken(self) -> int:
        """Records of all publishers that lanes have committed."""
        return sum(row.counts.taken for row in self.accounts() if not row.feed)

    @contextmanager
    def workers(self, count: int = 1, **environment: str) -> Iterator[Running]:
        """`gebus run lanes`, stopped at the end."""
        port = free_ports(count)
        command = [str(Path(sys.executable).parent / "gebus"), "run", "lanes", "--workers", str(count)]
        with _running([*command, "--metrics-port", str(port)], {**self.env, **environment}, port) as running:
            yield running

    @contextmanager
    def worker(self, slot: int = 0, options: Sequence[str] = (), **environment: str) -> Iterator[Running]:
        """One worker process without a supervisor."""
        port = free_ports(1)
        command = [sys.executable, "-m", "gebus.lanes", "--slot", str(slot), "--catalogue", str(self.root), *options]
        with _running([*command, "--metrics-port", str(port)], {**self.env, **environment}, port) as running:
            yield running


@dataclass
class Running:
    """A process under test and what it said so far."""

    process: subprocess.Popen[str]
    metrics_port: int
    lines: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def gained(self) -> int:
        """How many slices its workers said that they gained."""
        return sum(names.count(",") + 1 for names in re.findall(r" gained slices (.+); \d+ are live", self.said))

    def wait_for(self, text: str, times: int = 1) -> None:
        wait_until(
            lambda: self.said.count(text) >= times or self.process.poll() is not None,
            f"{text!r} in the messages, {times} times; they are:\n{self.said}",
        )
        assert self.said.count(text) >= times, f"it ended with {self.process.poll()}:\n{self.said}"

    def wait_live(self, slices: int = PARTITIONS) -> None:
        """Wait until so many slices have come to life, over all workers."""
        ended = self.process.poll
        wait_until(lambda: self.gained >= slices or ended() is not None, f"{slices} slices; the messages:\n{self.said}")
        assert self.gained >= slices, f"it ended with {ended()}:\n{self.said}"

    def metrics(self, worker: int = 0) -> str:
        return httpx.get(f"http://127.0.0.1:{self.metrics_port + worker}/metrics", timeout=10).text

    def stop(self) -> float:
        """Ask it to stop; how long it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - started


@contextmanager
def _running(command: Sequence[str], env: Mapping[str, str], port: int) -> Iterator[Running]:
    process = subprocess.Popen(
        command, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    running = Running(process, port)

    def listen() -> None:
        assert process.stdout is not None
        running.lines.extend(process.stdout)

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        listening.join(5)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def free_ports(count: int) -> int:
    """The first of some ports in a row that nobody listens on now; not those of the stack."""
    import random
    import socket

    for base in random.sample(range(30_000, 40_000, 64), 100):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _event(domain: str) -> dict[str, Any]:
    envelope: list[dict[str, Any]] = [
        {"name": "event_id", "type": "string"},
        {"name": "entity_id", "type": "string"},
        {"name": "revision", "type": "long"},
        {"name": "status", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "published_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "source", "type": "string"},
        {"name": "region", "type": "string"},
    ]
    own = [
        {"name": "quantity", "type": "long", "classification": 1, "identifies": "none", "doc": "How many."},
        {
            "name": "phone", "type": "string", "classification": 2, "identifies": "direct", "mask": "token",
            "doc": "Whose.",
        },
        {
            "name": "note", "type": ["null", "string"], "default": None, "classification": 2, "identifies": "none",
            "mask": "null", "doc": "Free text.",
        },
    ]  # fmt: skip
    return {
        "type": "record",
        "name": "Reading",
        "namespace": f"gebus.{domain}",
        "doc": "A reading.",
        "fields": envelope + own,
    }


_TOPIC = """\
topic: {domain}.reading
title: {{zh: 读数, en: Readings}}
event: Reading
owner: hubei-health
publishers: [dxy, canghailan]
key: [entity_id]
partitions: 4
compatibility: BACKWARD_TRANSITIVE
retention: 1d
event_time: {{past: 1d, future: 1h}}
dead_letters: {{in_a_row: {in_a_row}, ratio: 1.0}}
standard: null
examples: [examples.jsonl]
"""

_FEED = """\
feed: {domain}-{feed}
title: {{zh: 读数, en: Readings}}
consumer: {consumer}
purpose: {feed}-purpose
tier: {tier}
grant: {{basis: A test, approved_by: hubei-data, approved_on: 2026-01-01, expires_on: 2099-01-01}}
retention: 1d
partitions: 1
sources: {{reading: {domain}.reading}}
steps:
{steps}
  - select:
      name: chosen
      fields: {{quantity: reading.quantity, phone: reading.phone, note: reading.note}}
corrections: independent
mode: any
cases:
  - name: one reading
    given:
      - {{event_id: e-1, entity_id: e, quantity: 700, phone: "13800000001", note: urgent}}
    expect:
      - {expect}
"""

_ONCE = "  - deduplicate: {name: once, of: reading, key: [event_id], within: 14d}"
_LARGE = '  - where: {name: large, when: "reading.quantity >= 100"}'
_FEEDS = {
    ("ditu", "open"): (1, _ONCE, "{event_id: e-1, quantity: 700, note: null}"),
    ("hubei-health", "all"): (4, _ONCE, '{event_id: e-1, quantity: 700, phone: "13800000001", note: urgent}'),
    ("hubei-health", "large"): (
        4,
        f"{_ONCE}\n{_LARGE}",
        '{event_id: e-1, quantity: 700, phone: "13800000001", note: urgent}',
    ),
}
