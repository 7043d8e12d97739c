"""The ledger and a witness as processes on the stack, and leaves that a test writes as lanes do."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.lanes.kit import Bed, Running, _running, free_ports, wait_until

from gebus.kafka.lane_clients import open_producer
from gebus.ledger.tree import root_of
from gebus.model.errors import GebusError
from gebus.model.leaf import LEAF_TOPIC, Leaf, framed
from gebus.model.receipt import Receipt, entity_tag

_SLOT = 61
"""A worker's slot that no other test takes."""


def receipt(bus: str, feed: str, number: int) -> Receipt:
    """A record as of a feed."""
    entity = f"entity-{number % 7}"
    return Receipt(bus, feed, entity, 1_580_515_200_000 + number, f"key-{number}".encode(), f"value-{number}".encode())


def message(feed: str, receipts: Sequence[Receipt], *, at: int, mode: str = "normal") -> bytes:
    """The value of a leaf over these records."""
    digests = [one.digest for one in receipts]
    leaf = Leaf(
        at=at, feed=feed, slice=0, lane="test", grant=f"{feed}#1", policy="0123456789abcdef", mode=mode,
        count=len(receipts), size=sum(len(one.key) + len(one.value) for one in receipts),
        fields=(len(receipts), 0, 0, 0), root=root_of(digests).hex(),
    )  # fmt: skip
    entries = b"".join(entity_tag(one.entity) + one.digest for one in receipts)
    return framed(leaf.encode(), entries)


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class LedgerBed:
    """The ledger of the stack's home, and what a test does to it. One home has one ledger: tests share it."""

    bed: Bed
    ports: int = field(default_factory=lambda: free_ports(4))
    _clients: ExitStack = field(default_factory=ExitStack)

    @property
    def directory(self) -> Path:
        return self.bed.stack.home / "ledger"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports}"

    def write(self, batches: Sequence[tuple[str, Sequence[Receipt], int]], *, commit: bool = True, **also: str) -> None:
        """One transaction with a leaf for each batch of feed, records and time."""
        producer = open_producer(self.bed.stack.connection("gebus-lanes"), _SLOT)
        producer.init_transactions(30)
        producer.begin_transaction()
        for feed, receipts, at in batches:
            producer.produce(LEAF_TOPIC, message(feed, receipts, at=at, **also), feed.encode())
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    @contextmanager
    def ledger(self, *options: str, **environment: str) -> Iterator[Running]:
        command = [
            _gebus(),
            "run",
            "ledger",
            "--port",
            str(self.ports),
            "--metrics-port",
            str(self.ports + 1),
            *options,
        ]
        with _running(command, {**self.bed.env, **environment}, self.ports + 1) as running:
            running.wait_for("leaves; key")
            yield running

    @contextmanager
    def witness(self, *options: str) -> Iterator[tuple[Running, str]]:
        """A witness, and what the ledger is told of it."""
        command = [_gebus(), "run", "witness", "--port", str(self.ports + 2), *options]
        with _running(command, self.bed.env, self.ports + 2) as running:
            running.wait_for("give the ledger --witness ")
            yield running, running.said.split("give the ledger --witness ")[1].split()[0]

    def command(self, *arguments: str) -> Done:
        """A `gebus` command that ends, in this process: a new one would import for seconds."""
        result = self.bed.gebus(*arguments)
        if isinstance(result.exception, GebusError):
            return Done(1, result.stdout, f"gebus: {result.exception}")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def size(self) -> int:
        """How many leaves the newest checkpoint names."""
        path = self.directory / "checkpoint"
        return int(path.read_text().split("\n")[1]) if path.exists() else -1

    def verified(self) -> int:
        """Wait until no leaf is behind; how many there are. Any finding fails."""
        found = ""

        def good() -> bool:
            nonlocal found
            if self.size() < 0:
                return False  # it reads the topic still, and has not signed yet
            done = self.command("ledger", "verify")
            found = done.stdout + done.stderr
            assert "THE LEDGER WAS CHANGED" not in found, found
            return done.returncode == 0 and "leaves more" not in found

        wait_until(good, "a ledger that has come to the end of its topic")
        return self.size()

    def kept(self) -> str:
        """A digest of all tiles, bundles included, that are full."""
        files = sorted(
            path for path in (self.directory / "tile").rglob("*") if path.is_file() and ".p/" not in str(path)
        )
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def copy(self, to: Path) -> Path:
        return Path(shutil.copytree(self.directory, to))

    def close(self) -> None:
        self._clients.close()


def _gebus() -> str:
    return str(Path(sys.executable).parent / "gebus")
