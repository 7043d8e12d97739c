"""The same broker and registry in containers, from deploy/'s files: the second provider of the stack fixture."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.running_stack import wait_until

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.kafka.registry import Registry
from gebus.model.errors import GebusError
from gebus.stack.deployment import make_secrets
from gebus.stack.layout import ADMIN, Layout, Ports

DEPLOY = Path(__file__).parents[1] / "deploy"
IMAGES = {"kafka": "apache/kafka:4.3.1", "registry": "apicurio/apicurio-registry:3.3.3"}
_START_SECONDS = 180


def why_not() -> str:
    """Why no container can be run here; empty if one can."""
    docker = shutil.which("docker")
    if docker is None:
        return "there is no docker command here"
    asked = [docker, "version", "--format", "{{.Server.Version}}"]
    answered = subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 0
    return "" if answered else "no Docker engine answers here"


@contextmanager
def containers(home: Path, ports: Ports) -> Iterator[None]:
    """Kafka and the registry in containers that answer; removed at the end."""
    from testcontainers.core.container import DockerContainer

    make_secrets(Layout(home), ports.bootstrap, ports.registry_url, ["kafka", "registry"], datetime.now(UTC))
    user = {"user": f"{os.getuid()}:{os.getgid()}"}  # the secrets are for this user's eyes only
    secrets = home / "secrets"
    kafka = (
        DockerContainer(IMAGES["kafka"])
        .with_volume_mapping(DEPLOY / "kafka", "/etc/gebus")
        .with_volume_mapping(secrets, "/run/secrets")
        .with_tmpfs_mount("/var/lib/kafka/data", "size=4g,mode=1777")
        .with_bind_ports("29092/tcp", ports.kafka)
        .with_env("GEBUS_EXTERNAL", ports.bootstrap)
        .with_kwargs(entrypoint=["/bin/sh", "/etc/gebus/start.sh"], hostname="kafka", **user)
    )
    registry = (
        DockerContainer(IMAGES["registry"])
        .with_volume_mapping(DEPLOY / "registry", "/etc/gebus")
        .with_volume_mapping(secrets, "/run/secrets")
        .with_tmpfs_mount("/var/lib/registry", "size=256m,mode=1777")
        .with_bind_ports("8443/tcp", ports.registry)
        .with_env("QUARKUS_CONFIG_LOCATIONS", "/etc/gebus/registry.properties,/run/secrets/registry.properties")
        .with_kwargs(hostname="registry", **user)
    )
    with ExitStack() as running:
        for container in (kafka, registry):
            running.enter_context(container)
        wait_until(lambda: _answer(home), _START_SECONDS)
        yield


def _answer(home: Path) -> bool:
    connection = Connection.load(ADMIN, home)
    try:
        Admin(connection).close()
        with Registry(connection) as registry:
            registry.subjects()
    except GebusError:
        return False
    return True
