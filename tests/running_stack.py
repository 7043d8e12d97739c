"""What a test holds of a stack that runs, and how it waits for one."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gebus.kafka import Connection
from gebus.kafka.admin import Acl, Admin
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.stack.layout import ADMIN, Ports

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


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as the condition holds; fail if it does not within so many seconds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        pause.wait(0.05)
