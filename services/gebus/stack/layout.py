"""Where a stack keeps what, and on which ports it listens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from gebus.kafka.secrets import Secrets
from gebus.stack.authority import CA

DEFAULT_PORT_BASE = 29092
ADMIN, LANES = "gebus-admin", "gebus-lanes"


@dataclass(frozen=True, slots=True)
class Ports:
    """Four ports in a row, all on 127.0.0.1."""

    base: int = DEFAULT_PORT_BASE

    @property
    def kafka(self) -> int:
        return self.base

    @property
    def controller(self) -> int:
        return self.base + 1

    @property
    def registry(self) -> int:
        return self.base + 2

    @property
    def registry_management(self) -> int:
        return self.base + 3

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.kafka}"

    @property
    def registry_url(self) -> str:
        return f"https://127.0.0.1:{self.registry}"

    def all(self) -> tuple[int, ...]:
        return (self.kafka, self.controller, self.registry, self.registry_management)


@dataclass(frozen=True, slots=True)
class Layout:
    """The directory of one stack. It is private to its owner: it holds secrets and everybody's records."""

    home: Path

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.home / "secrets")

    @property
    def state(self) -> Path:
        return self.home / "stack.json"

    @property
    def snapshots(self) -> Path:
        """What the lanes keep of their states on this machine: of no use without the log that it was made from."""
        return self.home / "state"

    @property
    def ledger(self) -> Path:
        """The ledger's tree: of no use without the Kafka that it was made from."""
        return self.home / "ledger"

    @property
    def usage(self) -> Path:
        """The sums of the ledger's leaves: as above."""
        return self.home / "usage.sqlite"

    @property
    def lock(self) -> Path:
        return self.home / "lock"

    def server(self, name: str) -> Path:
        """The directory of one server: its configuration, data and logs."""
        return self.home / name

    def prepare(self) -> None:
        """Make the directories."""
        for path in (self.home, self.server("kafka"), self.server("registry")):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        for name in ("kafka", "registry"):
            (self.server(name) / "tmp").mkdir(exist_ok=True)

    def write_state(self, bootstrap: str, registry: str) -> None:
        """Say where the servers are. The authority's certificate is named from here, so that a home can be moved."""
        state = {"bootstrap": bootstrap, "registry": registry, "ca_file": f"{self.secrets.directory.name}/{CA}"}
        Secrets(self.home).write_file(self.state.name, json.dumps(state, indent=2).encode())
