"""The ledger and a witness as processes: what they are made of, where they keep it, how they are stopped."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gebus.kafka import Connection, stack_home
from gebus.ledger.api import Api, Fetcher
from gebus.ledger.cosigners import Cosigner, Cosigners
from gebus.ledger.files import Directory
from gebus.ledger.http import Server
from gebus.ledger.index import Index
from gebus.ledger.leaves import CheckpointLog, LeafReader, bus_of, newest_checkpoint, origin_of
from gebus.ledger.metrics import Metrics
from gebus.ledger.notes import LEDGER_KEY, WITNESS_KEY, Signer, parse_key, read_signer
from gebus.ledger.service import Ledger, Pace, first_offset
from gebus.ledger.store import Store
from gebus.ledger.verify_evidence import VerifierKey
from gebus.ledger.witness import Witness
from gebus.model.errors import GebusError, Stopped
from gebus.model.leaf import LEDGER_PRINCIPAL

LEDGER_PORT, WITNESS_PORT = 9470, 9471
_LEDGER_SEED, _WITNESS_SEED = "gebus-ledger.key", "witness.key"
_AGAIN_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """What the ledger process is told."""

    port: int = LEDGER_PORT
    metrics_port: int | None = None
    witnesses: tuple[str, ...] = ()
    pace: Pace = field(default_factory=Pace)


def ledger_directory() -> Path:
    """Where the ledger of this home lies."""
    return stack_home() / "ledger"


def witness_directory() -> Path:
    """Where the witness of this home keeps its key and what it saw."""
    return stack_home() / "witness"


def ledger_signer(connection: Connection) -> Signer:
    """The key of this bus's ledger, made at the first time."""
    return read_signer(stack_home() / "secrets" / _LEDGER_SEED, origin_of(bus_of(connection)), LEDGER_KEY)


def witness_signer(directory: Path, name: str) -> Signer:
    """The key of a witness, made at the first time; it keeps the name that it was made with."""
    named = directory / "name"
    if named.exists():
        name = named.read_text().strip()
    signer = read_signer(directory / _WITNESS_SEED, name, WITNESS_KEY)
    if not named.exists():
        Directory(directory).write({"name": f"{name}\n".encode()})
    return signer


def publish_key(directory: Directory, key: VerifierKey) -> None:
    """Write the public key where this home's other processes look for it."""
    directory.prepare()
    directory.write({"key": f"{key}\n".encode()})


def own_key() -> VerifierKey:
    """The public key of this home's ledger; where it never ran, the key is made, for which Kafka is asked its id."""
    known = known_key(ledger_directory(), LEDGER_KEY)
    if known is not None:
        return known
    key = ledger_signer(Connection.load(LEDGER_PRINCIPAL)).key
    publish_key(Directory(ledger_directory()), key)
    return key


def known_key(directory: Path, kind: int) -> VerifierKey | None:
    """The public key of this home's ledger or witness, if it ran."""
    path = directory / "key"
    return parse_key(path.read_text(), kind, str(path)) if path.exists() else None


def run_ledger(options: LedgerOptions) -> None:
    """Work until SIGTERM or SIGINT, then stop within seconds. A Kafka that goes away is waited for.

    Raises what ended it, if that was not a signal; nothing is lost, and it goes on where it was when it is run again.
    """
    connection = Connection.load(LEDGER_PRINCIPAL)
    cosigners = [Cosigner.parse(text) for text in options.witnesses]
    signer = ledger_signer(connection)
    with ExitStack() as things, _stopping() as stop:
        directory = Directory(ledger_directory())
        directory.prepare()
        things.enter_context(directory.locked())
        store = Store(directory, signer.key.name)
        publish_key(directory, signer.key)
        index = Index(directory.path)
        things.callback(index.close)
        metrics = Metrics(cosigners)
        if options.metrics_port is not None:
            things.callback(metrics.serve(options.metrics_port).shutdown)
        asked = Cosigners(cosigners, time.monotonic)
        things.callback(asked.close)
        fetch = Fetcher(connection)
        things.callback(fetch.close)
        witnesses = [one.key for one in cosigners]
        api = Api(store, directory.path, signer.key, witnesses, fetch)
        server = things.enter_context(Server(options.port, api.answer))
        log = CheckpointLog(connection)
        things.callback(log.close)
        number, offset = first_offset(store, index)
        leaves = things.enter_context(LeafReader(connection, offset))
        ledger = Ledger(
            store=store, index=index, leaves=leaves, number=number, signer=signer, cosigners=asked,
            publish=log.write, published=newest_checkpoint(connection, signer.key.name), metrics=metrics,
            pace=options.pace, now=time.monotonic,
        )  # fmt: skip
        _log.info("ledger %s at %s: %d leaves; key %s", signer.key.name, server.url, store.size, signer.key)
        _work(ledger.step, stop)
    _log.info("ledger: stopped")


def run_witness(directory: Path, name: str, port: int, ledgers: Sequence[str]) -> None:
    """Cosign until SIGTERM or SIGINT."""
    keys = [parse_key(text, LEDGER_KEY, "--ledger") for text in ledgers]
    if not keys:
        own = known_key(ledger_directory(), LEDGER_KEY)
        if own is None:
            raise Stopped(
                f"no ledger's key was given, and {ledger_directory()} has none; give --ledger KEY, which `gebus ledger "
                "keys` prints where the ledger runs"
            )
        keys = [own]
    signer = witness_signer(directory, name)
    files = Directory(directory)
    with _stopping() as stop, files.locked():
        publish_key(files, signer.key)
        witness = Witness(files, signer, keys, time.time)
        with Server(port, witness.answer) as server:
            for key in keys:
                _log.info("witness of %s, which had %d leaves", key.name, witness.sizes.get(key.name, 0))
            _log.info("give the ledger --witness %s@%s", signer.key, server.url)
            stop.wait()
    _log.info("witness: stopped")


def _work(step: Callable[[], int], stop: threading.Event) -> None:
    problem = ""
    while not stop.is_set():
        try:
            step()
            problem = ""
        except GebusError as error:
            if not error.retriable:
                raise
            if str(error) != problem:
                problem = str(error)
                _log.warning("%s; the ledger tries again", problem)
            stop.wait(_AGAIN_SECONDS)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
