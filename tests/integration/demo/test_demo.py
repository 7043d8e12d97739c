"""The whole demo on invented events, on a stack of its own: its accounts are added up here once more."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.running_stack import free_ports

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from gebus.cli import main; main()", "demo", "--json"]
PLANTED = {"bad_region", "forged_source", "not_avro", "too_late", "trailing_bytes", "truncated", "wrong_key"}


def _demo(home: Path, data: Path, port: int) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEBUS_")}
    if "GEBUS_CACHE" in os.environ:
        environment["GEBUS_CACHE"] = os.environ["GEBUS_CACHE"]
    command = [*COMMAND, "--data", str(data), "--port-base", str(port)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "GEBUS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("no-data")
    done = _demo(home, data, free_ports().base)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_check_holds_and_what_was_invented_is_said(result: dict[str, Any]) -> None:
    assert result["holds"] is True
    assert [check for check in result["checks"] if not check["holds"]] == []
    assert len(result["invented"]) == 22
    assert result["home"] is None


EMERGENCY = {"supply.order", "supply.stock"}
"""For feeds that flow in an emergency alone: the demo declares none, and publishes none of it."""


def test_what_went_in_is_what_the_lanes_took(result: dict[str, Any]) -> None:
    assert len({topic["topic"].rpartition(".")[2] for topic in result["topics"]}) >= 5
    for topic in result["topics"]:
        assert topic["sent"] >= (0 if topic["topic"].rpartition(".")[0] in EMERGENCY else 190)
        assert topic["lane"]["taken"] == topic["sent"] + topic["planted"]
        assert topic["lane"]["dead"] == topic["planted"] == sum(topic["reasons"].values())
    assert {reason for topic in result["topics"] for reason in topic["reasons"]} == PLANTED


def test_every_feed_adds_up_by_hand_and_by_the_lane(result: dict[str, Any]) -> None:
    taken: dict[str, int] = {}
    for topic in result["topics"]:
        contract = topic["topic"].rpartition(".")[0]
        taken[contract] = taken.get(contract, 0) + topic["lane"]["taken"]
    assert len(result["feeds"]) >= 8
    for feed in result["feeds"]:
        lane = feed["lane"]
        parts = ("delivered", "filtered", "duplicate", "withheld", "dead", "waiting")
        assert lane["taken"] + lane["more"] == sum(lane[part] for part in parts)
        assert feed["received"] == lane["delivered"]
        if feed["feed"] in ("hubei-command/all-orders", "hubei-command/all-stock"):
            continue
        assert lane["delivered"] > 0
        assert lane["duplicate"] > 0
        if feed["in_the_end"] is None:
            assert lane["taken"] in taken.values()
            assert feed["expected"] == lane
            assert lane["more"] == lane["waiting"] == 0


def test_joined_and_reconciled_feeds_hold_what_stands(result: dict[str, Any]) -> None:
    related = {feed["feed"]: feed for feed in result["feeds"] if feed["in_the_end"] is not None}
    assert len(related) == 8
    for feed in related.values():
        assert 0 < feed["in_the_end"] < feed["received"]
    assert result["reconciled"] is None


def test_who_travelled_with_a_case_is_told_and_untold(result: dict[str, Any]) -> None:
    assert [contact["why"] for contact in result["contacts"]] == [
        "the case came last",
        "the passenger came last",
        "the case was taken back",
    ]
    assert all(contact["latency_ms"] > 0 for contact in result["contacts"])


def test_everything_forbidden_was_refused(result: dict[str, Any]) -> None:
    assert len(result["refusals"]) >= 10
    assert [refusal for refusal in result["refusals"] if not refusal["refused"]] == []


def test_a_worker_was_killed_and_replaced(result: dict[str, Any]) -> None:
    assert result["killed"] > 0
    assert result["replaced_by"] not in (0, result["killed"])


def test_one_record_is_less_in_each_lower_tier(result: dict[str, Any]) -> None:
    sent, authority, street, public = result["sample"].values()
    assert authority["contact_phone"] == sent["contact_phone"]
    assert street["contact_phone"] not in (sent["contact_phone"], None)
    assert "contact_phone" not in public
    assert public["address"] != street["address"] == sent["address"]


def test_latency_is_measured(result: dict[str, Any]) -> None:
    latency = result["latency_ms"]
    assert latency["records"] > 50
    assert 0 < latency["p50"] <= latency["p95"] <= latency["max"]


def test_a_taken_port_is_told_before_anything_is_published(tmp_path: Path) -> None:
    port = free_ports().base
    with socket.create_server(("127.0.0.1", port)):
        done = _demo(tmp_path, tmp_path, port)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert done.stdout == ""
