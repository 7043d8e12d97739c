"""The life of a stack, by its commands: up, found, hurt, down, up again with everything there, and anew."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from tests.running_stack import free_ports, wait_until

from gebus.kafka import Connection
from gebus.kafka.admin import Admin, Topic
from gebus.kafka.edge import close_producer, open_consumer, open_producer
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.model.errors import StackError, Unavailable
from gebus.stack import artifacts
from gebus.stack.layout import ADMIN, Layout, Ports
from gebus.stack.report import Silent
from gebus.stack.servers import program
from gebus.stack.stack import down, status, up

T = TypeVar("T")
GEBUS = str(Path(sys.executable).with_name("gebus"))


@dataclass(frozen=True)
class Place:
    home: Path
    ports: Ports

    def gebus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [GEBUS, *arguments], env=self.env, capture_output=True, text=True, timeout=120, check=False
        )

    @property
    def env(self) -> dict[str, str]:
        cache = str(artifacts.cache())
        return {"GEBUS_HOME": str(self.home), "GEBUS_CACHE": cache, "GEBUS_PORT_BASE": str(self.ports.base)}

    def pids(self) -> dict[str, int | None]:
        return {server.name: server.pid for server in status(self.home).servers}

    def running(self) -> list[str]:
        names = ("kafka format", "kafka", "registry")
        return [name for name in names if program(name, Layout(self.home)).find() is not None]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "home", free_ports())
    yield place
    down(place.home, Silent())


def write(home: Path) -> None:
    connection = Connection.load(ADMIN, home)
    with Admin(connection) as admin:
        admin.create_topics([Topic("kept", 1)])
    producer = open_producer(connection)
    producer.send("kept", b"value").get(10)
    close_producer(producer)
    with Registry(connection) as registry:
        registry.register("kept-value", '"string"')


def read(home: Path) -> tuple[list[bytes], list[str]]:
    connection = Connection.load(ADMIN, home)
    consumer = open_consumer(connection, "test.kept", ["kept"])
    values: list[bytes] = []
    wait_until(lambda: bool(values.extend(r.value for rows in consumer.poll(500).values() for r in rows) or values), 30)
    consumer.close()
    with Registry(connection) as registry:
        return values, registry.subjects()


def while_it_stands_still(pid: int, look: Callable[[], T]) -> T:
    process = psutil.Process(pid)
    process.suspend()
    try:
        return look()
    finally:
        process.resume()


def test_from_first_up_to_a_fresh_start(place: Place) -> None:
    first = place.gebus("up")
    assert first.returncode == 0, first.stderr
    assert "kafka  running" in first.stdout
    write(place.home)
    pids = place.pids()

    again = place.gebus("up")
    assert "is up already" in again.stderr
    assert place.pids() == pids

    told = json.loads(place.gebus("status", "--json").stdout)
    assert told["running"]
    assert sum(server["resident_bytes"] for server in told["servers"]) < 1.2 * (1 << 30)

    silent = while_it_stands_still(pids["registry"], lambda: status(place.home).servers)
    assert [server.state for server in silent] == ["running", "silent"]
    assert "does not answer" in silent[1].problem

    psutil.Process(pids["kafka"]).kill()
    wait_until(lambda: place.pids()["kafka"] is None)
    hurt = place.gebus("status")
    assert hurt.returncode == 1
    assert "kafka  stopped" in hurt.stdout
    assert "registry  running" in hurt.stdout
    with pytest.raises(Unavailable, match="does not answer"):
        Admin(Connection.load(ADMIN, place.home))

    with Registry(Connection.load(ADMIN, place.home)) as registry:
        number = registry.register("last-value", '"bytes"')
    psutil.Process(pids["registry"]).kill()
    wait_until(lambda: place.pids()["registry"] is None)

    healed = place.gebus("up")
    assert healed.returncode == 0, healed.stderr
    assert read(place.home) == ([b"value"], ["kept-value", "last-value"])
    with Registry(Connection.load(ADMIN, place.home)) as registry:
        assert registry.latest("last-value").id == number
        assert registry.register("next-value", '"float"') > number

    secrets = Secrets(place.home / "secrets")
    password = secrets.read(ADMIN)
    assert "stopped: kafka, registry" in place.gebus("down").stdout
    assert place.running() == []
    assert "nothing ran" in place.gebus("down").stdout
    with pytest.raises(StackError, match="no stack in"):
        Connection.load(ADMIN, place.home)

    made = [place.home / name for name in ("state/a.lane/0.snapshot", "ledger/checkpoint", "usage.sqlite")]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of a log that will be gone")
    fresh = place.gebus("up", "--fresh")
    assert fresh.returncode == 0, fresh.stderr
    assert secrets.read(ADMIN) != password
    with Admin(Connection.load(ADMIN, place.home)) as admin:
        assert admin.topics() == {}
    assert not any(path.exists() for path in made)
    with Registry(Connection.load(ADMIN, place.home)) as registry:
        assert registry.subjects() == []


def test_a_server_that_dies_while_it_starts_is_quoted_and_the_other_stopped(place: Place) -> None:
    Secrets(place.home / "secrets").ensure(ADMIN)
    data = place.home / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    ended = place.gebus("up")
    assert ended.returncode == 1
    assert "kafka died while it started" in ended.stderr
    assert "kafka.log" in ended.stderr
    assert "  | " in ended.stderr
    assert place.running() == []
    assert not (place.home / "stack.json").exists()


def test_a_start_that_is_ended_leaves_no_orphan(place: Place) -> None:
    starting = subprocess.Popen([GEBUS, "up"], env=place.env, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: bool(place.running()), 60)
    starting.send_signal(signal.SIGTERM)
    starting.communicate(timeout=60)
    assert starting.returncode == 128 + signal.SIGTERM
    assert place.running() == []


def test_a_start_that_was_killed_is_cleared_by_the_next(place: Place) -> None:
    starting = subprocess.Popen([GEBUS, "up"], env=place.env, stderr=subprocess.DEVNULL)
    wait_until(lambda: "kafka" in place.running(), 60)
    starting.kill()
    starting.wait()
    assert place.running()
    found = up(place.home, artifacts.cache(), place.ports, Silent())
    assert found.running
    # The same stack under the secrets of another: what Kafka holds is not what is on disk.
    down(place.home, Silent())
    Secrets(place.home / "secrets").remove(ADMIN)
    with pytest.raises(StackError, match=rf"the secret of {ADMIN} is gone.*--fresh"):
        up(place.home, artifacts.cache(), place.ports, Silent())
