"""deploy/: the same settings as the local stack, closed to the outside, and no name that nothing provides."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from gebus.lanes.metrics import METRICS
from gebus.stack.deployment import make_secrets
from gebus.stack.layout import Layout, Ports
from gebus.stack.servers import kafka_properties, registry_properties

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = sorted(COMPOSE["services"])
LASTING = [name for name in SERVICES if name != "apply"]

# Addresses, paths, and where passwords come from; and what only containers need.
KAFKA_OWN = re.compile(
    r"^(listeners|advertised\.listeners|controller\.quorum\.voters|inter\.broker\.listener\.name|log\.dirs"
    r"|listener\.security\.protocol\.map|ssl\.(key|trust)store\.location|config\.providers.*"
    r"|listener\.name\.(client|internal|external)\..*|listener\.name\.controller\.plain\..*)$"
)
REGISTRY_OWN = re.compile(
    r"^(quarkus\.http\.(host|ssl-port)|quarkus\.http\.ssl\.certificate\..*|quarkus\.management\..*|apicurio\.datasource\.url"
    r"|apicurio\.import\.work-dir|apicurio\.storage\.snapshot\.location|quarkus\.log\..*"
    r"|quarkus\.security\.users\.embedded\.(users|roles)\..*)$"
)


def properties(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def shared(settings: dict[str, str], own: re.Pattern[str]) -> dict[str, str]:
    return {key: value for key, value in settings.items() if not own.match(key)}


def test_kafka_has_the_settings_of_the_local_stack(tmp_path: Path) -> None:
    local = kafka_properties(Layout(tmp_path), Ports(), SecretStr("x"))
    assert shared(properties(DEPLOY / "kafka" / "server.properties"), KAFKA_OWN) == shared(local, KAFKA_OWN)


def test_the_registry_has_the_settings_of_the_local_stack(tmp_path: Path) -> None:
    local = registry_properties(Layout(tmp_path), Ports(), SecretStr("x"))
    assert shared(properties(DEPLOY / "registry" / "registry.properties"), REGISTRY_OWN) == shared(local, REGISTRY_OWN)


def test_no_listener_is_without_tls_and_password() -> None:
    settings = properties(DEPLOY / "kafka" / "server.properties")
    protocols = dict(entry.split(":") for entry in settings["listener.security.protocol.map"].split(","))
    assert set(protocols.values()) == {"SASL_SSL"}
    assert {entry.split(":")[0] for entry in settings["listeners"].split(",")} == set(protocols)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_and_bounded(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert "privileged" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", LASTING)
def test_a_service_that_lasts_says_whether_it_is_well(name: str) -> None:
    check = COMPOSE["services"][name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_named_by_whoever_deploys(name: str) -> None:
    image = COMPOSE["services"][name]["image"]
    assert re.fullmatch(r"\$\{[A-Z]+_IMAGE(:\?.+|:-gebus)\}", image), image


def test_every_image_that_must_be_named_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?", (DEPLOY / "compose.yaml").read_text()))
    assert set(properties(DEPLOY / "images.env.example")) == wanted


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_what_services_mount_is_what_gebus_secrets_makes(kind: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    make_secrets(layout, "kafka:9092", "https://registry:8443", ["kafka", "registry"], datetime.now(UTC))
    prefix = "${GEBUS_HOME:-./home}/"
    defined = {name: entry["file"].removeprefix(prefix) for name, entry in COMPOSE[kind].items()}
    used = {
        entry if isinstance(entry, str) else entry["source"]
        for service in COMPOSE["services"].values()
        for entry in service.get(kind, [])
    }
    assert used == set(defined)
    assert all((tmp_path / path).is_file() for path in defined.values())


def test_only_apply_has_the_administrators_secret() -> None:
    home = "${GEBUS_HOME:-./home}"
    with_admin = [name for name in SERVICES if home in str(COMPOSE["services"][name].get("volumes", ""))]
    assert with_admin == ["apply"]


def test_secrets_made_twice_stay_the_same(tmp_path: Path) -> None:
    def made() -> dict[str, bytes]:
        make_secrets(Layout(tmp_path), "kafka:9092", "https://registry:8443", ["kafka"], datetime.now(UTC))
        return {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}

    assert made() == made()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_mounts_files_of_here_and_directories_of_whoever_deploys(name: str) -> None:
    for volume in COMPOSE["services"][name].get("volumes", []):
        if isinstance(volume, dict):
            assert volume["source"].startswith("${GEBUS_DATA:-./data}/")
            assert volume["bind"] == {"create_host_path": False}, "Docker would make it, for root alone"
        else:
            source, _, _ = volume.replace("${GEBUS_HOME:-./home}", "home").partition(":")
            assert source == "home" or (DEPLOY / source).is_dir()


def test_prometheus_scrapes_what_runs() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert sorted(jobs) == ["lanes", "prometheus", "registry"]
    command = COMPOSE["services"]["lanes"]["command"]
    assert jobs["lanes"][0] == f"127.0.0.1:{command[command.index('--metrics-port') + 1]}"
    workers = int(re.search(r"\$\{GEBUS_WORKERS:-(\d+)\}", str(command))[1])  # type: ignore[index]
    assert len(jobs["lanes"]) == workers
    assert all((DEPLOY / "prometheus" / name).is_file() for name in config["rule_files"])


def known_metrics() -> set[str]:
    histograms = [metric.name for metric in METRICS if metric.kind == "histogram"]
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    return {metric.name for metric in METRICS} | parts


def test_rules_and_dashboard_name_metrics_that_workers_tell() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())
    dashboard = json.loads((DEPLOY / "grafana" / "lanes.json").read_text())
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for text in expressions for name in re.findall(r"gebus_\w+", text)}
    assert named
    assert named <= known_metrics()
    assert all(rule["annotations"]["summary"] for group in rules["groups"] for rule in group["rules"])


def test_every_metric_is_on_the_dashboard_or_in_a_rule() -> None:
    text = (DEPLOY / "grafana" / "lanes.json").read_text() + (DEPLOY / "prometheus" / "rules.yaml").read_text()
    told_elsewhere = {"gebus_state_entries", "gebus_sessions_ended_total"}
    assert {metric.name for metric in METRICS if metric.name not in text} <= told_elsewhere


def test_docker_accepts_the_compose_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed here")
    images = "\n".join(f"{name}=x" for name in properties(DEPLOY / "images.env.example"))
    (tmp_path / "images.env").write_text(images)
    command = [docker, "compose", "-f", DEPLOY / "compose.yaml", "--env-file", tmp_path / "images.env", "config", "-q"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
