"""The servers' configuration: loopback, TLS and passwords everywhere, no secret on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from gebus.stack import servers
from gebus.stack.layout import ADMIN, LANES, Layout, Ports

PASSWORD = SecretStr('quo"te\\slash')


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a home")
    layout.prepare()
    layout.secrets.write(ADMIN, PASSWORD)
    layout.secrets.write(LANES, SecretStr("lanes"))
    return layout


def test_kafka_listens_on_loopback_with_tls_and_passwords_alone(layout: Layout) -> None:
    settings = servers.kafka_properties(layout, Ports(30000), PASSWORD)
    assert settings["listeners"] == "CLIENT://127.0.0.1:30000,CONTROLLER://127.0.0.1:30001"
    assert settings["listener.security.protocol.map"] == "CONTROLLER:SASL_SSL,CLIENT:SASL_SSL"
    assert settings["sasl.enabled.mechanisms"] == "SCRAM-SHA-512"
    assert settings["allow.everyone.if.no.acl.found"] == "false"
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["super.users"] == f"User:{ADMIN}"


def test_the_registry_listens_on_loopback_with_tls_alone(layout: Layout) -> None:
    settings = servers.registry_properties(layout, Ports(30000), PASSWORD)
    assert settings["quarkus.http.host"] == settings["quarkus.management.host"] == "127.0.0.1"
    assert settings["quarkus.http.insecure-requests"] == "disabled"
    assert settings["apicurio.auth.role-based-authorization"] == "true"


def test_a_killed_worker_is_replaced_within_ten_seconds(layout: Layout) -> None:
    settings = servers.kafka_properties(layout, Ports(), PASSWORD)
    session = int(settings["group.consumer.session.timeout.ms"])
    heartbeat = int(settings["group.consumer.heartbeat.interval.ms"])
    assert session + heartbeat < 10_000
    assert int(settings["group.consumer.min.session.timeout.ms"]) <= session
    assert int(settings["group.consumer.min.heartbeat.interval.ms"]) <= heartbeat


def test_no_transaction_holds_readers_back_for_longer_than_lanes_allow(layout: Layout) -> None:
    settings = servers.kafka_properties(layout, Ports(), PASSWORD)
    assert settings["transaction.max.timeout.ms"] == "15000"


def test_no_command_line_holds_a_secret_and_every_file_with_one_is_private(layout: Layout) -> None:
    java, jars = Path("/java"), [Path("/a b.jar"), Path("/c.jar")]
    programs = [
        servers.kafka(layout, Ports(), java, jars),
        servers.kafka_format(layout, java, jars, "cluster", (ADMIN, LANES)),
        servers.registry(layout, Ports(), java, Path("/registry")),
    ]
    for program in programs:
        assert program.command == ["/java", f"@{program.arguments}"]
    written = [path for name in ("kafka", "registry") for path in layout.server(name).iterdir() if path.is_file()]
    assert len(written) == 6
    for path in written:
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_argument_files_are_read_back_by_java_as_written(layout: Layout) -> None:
    program = servers.kafka_format(layout, Path("/java"), [Path("/a b.jar")], "c", (ADMIN,))
    lines = program.arguments.read_text().splitlines()
    assert '"/a b.jar"' in lines
    assert lines[-1] == r'"SCRAM-SHA-512=[name=gebus-admin,password=quo\"te\\slash]"'


def test_a_program_is_found_by_the_name_it_was_started_with(layout: Layout) -> None:
    started = servers.kafka(layout, Ports(), Path("/java"), [])
    assert servers.program("kafka", layout).arguments == started.arguments
    started = servers.kafka_format(layout, Path("/java"), [], "c", ())
    assert servers.program("kafka format", layout).arguments == started.arguments
