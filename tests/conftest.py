"""One stack for the whole session: what the tests that need real servers share."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gebus.kafka import Connection
from gebus.kafka.admin import Acl, Admin
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.stack import artifacts
from gebus.stack.layout import ADMIN, Ports
from gebus.stack.report import Silent
from gebus.stack.stack import down, up

_CONNECTION = ("GEBUS_BOOTSTRAP", "GEBUS_REGISTRY", "GEBUS_CA_FILE", "GEBUS_PASSWORD")


@dataclass(frozen=True)
class RunningStack:
    """Kafka and a registry that answer. Tests share them: name topics, groups and principals after the test."""

    home: Path
    ports: Ports
    admin: Admin
    """Of gebus-admin; open as long as the stack is."""

    def connection(self, principal: str = ADMIN) -> Connection:
        return Connection.load(principal, self.home)

    def registry(self, principal: str = ADMIN) -> Registry:
        """A new client; close it."""
        return Registry(self.connection(principal))

    def add_principal(self, principal: str, *acls: Acl) -> Connection:
        """Let a principal log in, with these rights."""
        self.admin.set_password(principal, Secrets(self.home / "secrets").ensure(principal))
        self.admin.create_acls(acls)
        return self.connection(principal)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a `gebus` command that works on this stack."""
        inherited = {name: value for name, value in os.environ.items() if name not in _CONNECTION}
        return {**inherited, "GEBUS_HOME": str(self.home), "GEBUS_PORT_BASE": str(self.ports.base)}


def free_ports() -> Ports:
    """Four ports in a row on which nothing listens now."""
    for base in random.sample(range(20_000, 28_000, 4), 200):
        if all(_free(port) for port in Ports(base).all()):
            return Ports(base)
    raise RuntimeError("no four free ports in a row between 20000 and 28000")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A fresh stack, taken down at the end of the session whatever happened."""
    home, ports = tmp_path_factory.mktemp("stack"), free_ports()
    try:
        up(home, artifacts.cache(), ports, Silent())
        with Admin(Connection.load(ADMIN, home)) as admin:
            yield RunningStack(home, ports, admin)
    finally:
        down(home, Silent())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")
