"""A stack that refuses the login or does not answer: one line on standard error, at once, and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.integration.lanes.kit import ROOT, Bed, free_ports
from tests.running_stack import RunningStack

from gebus.lanes.supervisor import EXIT_DENIED

GEBUS = str(Path(sys.executable).parent / "gebus")
COMMANDS = {
    (GEBUS, "run", "lanes"): "gebus-lanes",
    (GEBUS, "accounts"): "gebus-admin",
    (GEBUS, "dead-letters", "supply.need"): "gebus-admin",
}


@pytest.fixture
def refused(stack: RunningStack) -> dict[str, str]:
    """An environment with a password that is not of any principal."""
    connection = stack.connection()
    return {
        **stack.env,
        "GEBUS_CATALOGUE": str(ROOT / "schemas"),
        "GEBUS_BOOTSTRAP": connection.bootstrap,
        "GEBUS_REGISTRY": connection.registry,
        "GEBUS_CA_FILE": str(connection.ca_file),
        "GEBUS_PASSWORD": "wrong",
    }


def last_words(environment: Mapping[str, str]) -> dict[str, str]:
    """What each command says to standard error where it cannot work, by the principal it logs in as."""
    said: dict[str, str] = {}
    for command, principal in COMMANDS.items():
        begun = time.monotonic()
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert time.monotonic() - begun < 20, "the answer takes 10 s at most, the rest is Python's start"
        said[done.stderr] = principal
    return said


def test_a_wrong_password_is_said_in_one_line(refused: dict[str, str]) -> None:
    for said, principal in last_words(refused).items():
        assert said.count("\n") == 1, said
        assert f"gebus: Kafka at {refused['GEBUS_BOOTSTRAP']} refused to log in {principal}: " in said
        assert f"; check the secret of {principal}" in said


def test_a_kafka_that_does_not_run_is_said_in_one_line(refused: dict[str, str]) -> None:
    nobody = f"127.0.0.1:{free_ports(1)}"
    for said, principal in last_words({**refused, "GEBUS_BOOTSTRAP": nobody}).items():
        assert said.count("\n") == 1, said
        assert f"gebus: Kafka at {nobody} does not answer (Connection refused): {principal} " in said
        assert "`gebus status` shows whether it runs" in said


def test_a_worker_that_is_refused_says_so_once_and_by_its_exit_status(bed: Bed, refused: dict[str, str]) -> None:
    with bed.worker(**{name: value for name, value in refused.items() if name not in bed.env}) as running:
        running.process.wait(60)
    assert running.process.returncode == EXIT_DENIED
    assert running.said.count("\n") == 1, running.said
    assert "refused to log in gebus-lanes: " in running.said
