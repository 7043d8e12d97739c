"""Kafka and the registry: their configuration as text, and the programs that read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from gebus.kafka.secrets import Secrets
from gebus.stack.authority import CA, CHAIN, KEY, KEYSTORE
from gebus.stack.layout import ADMIN, Layout, Ports
from gebus.stack.process import Program

# Start counts more than peak speed, and both servers share the machine with everything else: C1 only, the serial
# collector, small stacks. No performance data files in /tmp, no files left there by native libraries.
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError")
_KAFKA_HEAP = "-Xmx384m"
_REGISTRY_HEAP = "-Xmx160m"
_JAVA_25 = ("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")

_LOG4J = """\
Configuration:
  Appenders:
    RollingFile:
      name: FILE
      fileName: {log}
      filePattern: {log}.1
      PatternLayout:
        pattern: "%d %p %m (%c)%n"
      Policies:
        SizeBasedTriggeringPolicy:
          size: 10MB
      DefaultRolloverStrategy:
        max: 1
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: FILE
    Logger:
      - name: org.apache.kafka.clients
        level: WARN
      - name: org.apache.kafka.common.config
        level: WARN
"""


def kafka_properties(layout: Layout, ports: Ports, password: SecretStr) -> dict[str, str]:
    """The broker and controller of a stack: one node, SASL_SSL on both listeners, nobody allowed anything unasked."""
    secrets, login = layout.secrets.directory, password.get_secret_value()
    module = "org.apache.kafka.common.security"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "listeners": f"CLIENT://127.0.0.1:{ports.kafka},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{ports.kafka}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listener.security.protocol.map": "CONTROLLER:SASL_SSL,CLIENT:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        # SCRAM credentials live in the metadata log that the controller serves: it cannot itself be asked by SCRAM.
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.scram-sha-512.sasl.jaas.config": (
            f'{module}.scram.ScramLoginModule required username="{ADMIN}" password="{login}";'
        ),
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{module}.plain.PlainLoginModule required username="{ADMIN}" password="{login}" user_{ADMIN}="{login}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(secrets / KEYSTORE),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(secrets / CA),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
        "auto.create.topics.enable": "false",
        "log.dirs": str(layout.server("kafka") / "data"),
        **_SINGLE_NODE,
        **_TIMES,
        **_SIZES,
    }


_SINGLE_NODE = {
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 partitions each by default: they cost seconds at the first group or transaction, and files for ever.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
}
_TIMES = {
    # After a kill the broker is let in again when the controller has given its former self up: 9 s by default.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    "log.message.timestamp.type": "LogAppendTime",
    "group.initial.rebalance.delay.ms": "0",
    # A killed worker's slices go to another one after this session: 10 s are asked, restoring state included. Both
    # defaults, 45 s and 5 s, are also the least allowed unless the minimum is lowered.
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    # A dead producer's open transaction holds back every read_committed reader until it is aborted.
    "transaction.max.timeout.ms": "15000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
_SIZES = {
    # A record of 1 MiB must fit with its batch's header, and once more as a dead letter with the headers that say why.
    # What a lane writes to a partition in one transaction should fit as well: gebus.kafka.lane_clients says why.
    "message.max.bytes": str(10 << 20),
    "replica.fetch.max.bytes": str(10 << 20),
    # 128 MiB of heap by default, all touched at the start.
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def registry_properties(layout: Layout, ports: Ports, password: SecretStr) -> dict[str, str]:
    """The registry of a stack: everyone on this machine may read, gebus-admin alone may write."""
    secrets, place = layout.secrets.directory, layout.server("registry")
    return {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.insecure-requests": "disabled",
        "quarkus.http.ssl-port": str(ports.registry),
        "quarkus.http.ssl.certificate.files": str(secrets / CHAIN),
        "quarkus.http.ssl.certificate.key-files": str(secrets / KEY),
        "quarkus.http.access-log.enabled": "false",
        # Health and metrics; on every interface unless told otherwise.
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": str(ports.registry_management),
        "quarkus.http.auth.basic": "true",
        "quarkus.security.users.embedded.plain-text": "true",
        **registry_login(password),
        "apicurio.auth.role-based-authorization": "true",
        "apicurio.auth.anonymous-read-access.enabled": "true",
        # Written through: an id that was given out and then lost in a crash would be given out again.
        "apicurio.datasource.url": f"jdbc:h2:file:{place / 'schemas'};DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0",
        "apicurio.datasource.jdbc.initial-size": "2",
        "apicurio.datasource.jdbc.min-size": "2",
        "apicurio.datasource.jdbc.max-size": "10",
        "apicurio.import.work-dir": str(place / "tmp"),
        "apicurio.storage.snapshot.location": str(place / "tmp"),
        "quarkus.log.console.enabled": "false",
        "quarkus.log.file.enabled": "true",
        "quarkus.log.file.json.enabled": "false",
        "quarkus.log.file.path": str(place / "registry.log"),
        "quarkus.log.file.rotation.max-file-size": "10M",
        "quarkus.log.file.rotation.max-backup-index": "1",
    }


def registry_login(password: SecretStr) -> dict[str, str]:
    """The one user of the registry."""
    return {
        f"quarkus.security.users.embedded.users.{ADMIN}": password.get_secret_value(),
        f"quarkus.security.users.embedded.roles.{ADMIN}": "sr-admin",
    }


def kafka(layout: Layout, ports: Ports, java: Path, jars: Sequence[Path]) -> Program:
    """Write Kafka's configuration; the program that reads it."""
    place = layout.server("kafka")
    _write(place, "server.properties", properties_text(kafka_properties(layout, ports, layout.secrets.read(ADMIN))))
    _write(place, "log4j2.yaml", _LOG4J.format(log=place / "kafka.log"))
    arguments = (
        *_java_options(place, _KAFKA_HEAP),
        *_class_path(place, jars),
        "kafka.Kafka",
        str(place / "server.properties"),
    )
    _write(place, "kafka.args", _argument_file(arguments))
    return program("kafka", layout, java)


def kafka_format(layout: Layout, java: Path, jars: Sequence[Path], cluster: str, principals: Sequence[str]) -> Program:
    """The program that makes Kafka's empty data directory, with these principals in it."""
    place = layout.server("kafka")
    arguments = [*_java_options(place, _KAFKA_HEAP), *_class_path(place, jars), "kafka.tools.StorageTool", "format"]
    # One word, for one id in 64 begins with a hyphen and would be read as an option.
    arguments += [f"--cluster-id={cluster}", "-c", str(place / "server.properties")]
    for principal in principals:
        password = layout.secrets.ensure(principal).get_secret_value()
        arguments += ["--add-scram", f"SCRAM-SHA-512=[name={principal},password={password}]"]
    _write(place, "format.args", _argument_file(arguments))
    return program("kafka format", layout, java)


def registry(layout: Layout, ports: Ports, java: Path, place_of_program: Path) -> Program:
    """Write the registry's configuration; the program that reads it."""
    place = layout.server("registry")
    _write(
        place, "registry.properties", properties_text(registry_properties(layout, ports, layout.secrets.read(ADMIN)))
    )
    located = f"-Dquarkus.config.locations={place / 'registry.properties'}"
    jar = str(place_of_program / "quarkus-run.jar")
    _write(place, "registry.args", _argument_file((*_java_options(place, _REGISTRY_HEAP), located, "-jar", jar)))
    return program("registry", layout, java)


def program(name: str, layout: Layout, java: Path = Path("java")) -> Program:
    """A program by its name, to start it or to find it."""
    server, _, act = name.partition(" ")
    place, act = layout.server(server), act or server
    return Program(name, java, place / f"{act}.args", place / f"{act}.out", place / f"{act}.log")


def _java_options(place: Path, heap: str) -> tuple[str, ...]:
    return (*_JVM, *_JAVA_25, heap, f"-Djava.io.tmpdir={place / 'tmp'}")


def _class_path(place: Path, jars: Sequence[Path]) -> tuple[str, ...]:
    return ("-cp", ":".join(map(str, jars)), f"-Dlog4j2.configurationFile={place / 'log4j2.yaml'}")


def properties_text(settings: Mapping[str, str]) -> str:
    """Settings in the format of Java's properties files."""
    return "".join(f"{key}={value.replace(chr(92), chr(92) * 2)}\n" for key, value in settings.items())


def _argument_file(arguments: Sequence[str]) -> str:
    quoted = (argument.replace("\\", "\\\\").replace('"', '\\"') for argument in arguments)
    return "".join(f'"{argument}"\n' for argument in quoted)


def _write(place: Path, name: str, text: str) -> None:
    Secrets(place).write_file(name, text.encode())
