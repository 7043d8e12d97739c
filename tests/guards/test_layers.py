"""import-linter refuses what the layers forbid: shown on a small tree with the project's own contracts."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = (
    "cli",
    "control",
    "processors",
    "provision",
    "stack",
    "lanes",
    "ledger",
    "usage",
    "testing",
    "kafka",
    "plan",
    "policy",
    "catalogue",
    "model",
)


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package with the folders of the design and nothing in them, under the project's own contracts."""
    for package in (
        "gebus",
        *(f"gebus/{layer}" for layer in LAYERS),
        "gebus/ledger/verify_evidence",
        "gebus_connectors",
    ):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"))
    return tmp_path


def test_the_empty_tree_passes(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("gebus/model", "gebus.kafka"),
        ("gebus/plan", "gebus.lanes"),
        ("gebus/lanes", "gebus.stack"),
        ("gebus/ledger", "gebus.lanes"),
        ("gebus/ledger/verify_evidence", "gebus.model"),
        ("gebus/lanes", "gebus_connectors"),
        ("gebus_connectors", "gebus.plan"),
        ("gebus_connectors", "confluent_kafka"),
        ("gebus/catalogue", "httpx"),
    ],
)
def test_a_forbidden_import_is_refused(tree: Path, module: str, imported: str) -> None:
    (tree / module / "__init__.py").write_text(f"import {imported}\n")
    result = lint(tree)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout


def test_every_contract_has_a_name_that_says_what_it_keeps() -> None:
    assert len({contract["name"] for contract in CONTRACTS}) == len(CONTRACTS) >= 4
