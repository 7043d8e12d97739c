"""Where the servers are, and as whom to speak to them."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gebus.kafka.secrets import Secrets
from gebus.model.errors import StackError

ANSWER_SECONDS = 10
"""No client waits longer than this for a server's first answer: a stack that is down is said to be down."""

_ENVIRONMENT = ("GEBUS_BOOTSTRAP", "GEBUS_REGISTRY", "GEBUS_CA_FILE", "GEBUS_PASSWORD")


def stack_home() -> Path:
    """The directory of the stack's data, secrets and state: GEBUS_HOME, or `.gebus` where one stands."""
    return Path(os.environ.get("GEBUS_HOME") or ".gebus").resolve()


class _Hidden(str):
    """A password in a client's configuration: clients log their configuration by repr when they debug."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


@dataclass(frozen=True, slots=True)
class Connection:
    """Kafka, the registry, the authority that signed their certificates, and one principal's credentials."""

    bootstrap: str
    registry: str
    ca_file: Path
    principal: str
    password: SecretStr

    @classmethod
    def load(cls, principal: str, home: Path | None = None) -> Connection:
        """The connection of a principal of the stack in `home`, or of the servers that the environment names.

        The environment counts where it names any of GEBUS_BOOTSTRAP, GEBUS_REGISTRY, GEBUS_CA_FILE, GEBUS_PASSWORD and
        `home` is not given; then all four are needed. Nothing connects yet.
        """
        if home is None and any(name in os.environ for name in _ENVIRONMENT):
            return cls._from_environment(principal, os.environ)
        return cls._from_home(principal, home or stack_home())

    @classmethod
    def _from_environment(cls, principal: str, environment: Mapping[str, str]) -> Connection:
        missing = [name for name in _ENVIRONMENT if not environment.get(name)]
        if missing:
            raise StackError(
                f"the environment names a part of a connection only: {', '.join(missing)} missing; "
                "set all of them, or none to use the stack of GEBUS_HOME"
            )
        bootstrap, registry, ca_file, password = (environment[name] for name in _ENVIRONMENT)
        return cls(bootstrap, registry.rstrip("/"), Path(ca_file), principal, SecretStr(password))

    @classmethod
    def _from_home(cls, principal: str, home: Path) -> Connection:
        path = home / "stack.json"
        try:
            stack = json.loads(path.read_text())
            bootstrap, registry, ca_file = stack["bootstrap"], stack["registry"], home / stack["ca_file"]
        except FileNotFoundError:
            raise StackError(
                f"no stack in {home}: {path} is missing; start one with `gebus up`, or point GEBUS_HOME at another"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise StackError(f"{path} cannot be read as a stack's state; run `gebus down`, then `gebus up`") from None
        return cls(bootstrap, registry, ca_file, principal, Secrets(home / "secrets").read(principal))

    def trust(self) -> ssl.SSLContext:
        """A context that trusts servers of this connection's authority, and no others."""
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise StackError(
                f"the authority's certificate {self.ca_file} cannot be read: {error.strerror or error}; "
                "`gebus up` makes that of the local stack; elsewhere GEBUS_CA_FILE names it"
            ) from error

    def for_kafka_python(self) -> dict[str, Any]:
        """Keyword arguments of every kafka-python client."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(self.ca_file),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.principal,
            "sasl_plain_password": _Hidden(self.password.get_secret_value()),
            "bootstrap_timeout_ms": ANSWER_SECONDS * 1000,
        }

    def for_librdkafka(self) -> dict[str, Any]:
        """Configuration keys of every confluent-kafka client."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca_file),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.principal,
            "sasl.password": _Hidden(self.password.get_secret_value()),
        }
