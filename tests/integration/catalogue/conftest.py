"""A catalogue of its own names on the shared stack, and the command that applies it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gebus.cli import build

TINY = Path(__file__).parents[2] / "unit" / "catalogue" / "tiny"
NAMES = {"market": "applied", "jd": "applied-jd", "watch": "applied-watch", "cdc": "applied-cdc"}


@dataclass(frozen=True)
class Applied:
    """The catalogue at `root`, applied by `gebus apply`."""

    root: Path
    env: Mapping[str, str]

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def run(self, *options: str) -> Any:
        """The command in this process: a new one for each run would spend its time on imports."""
        arguments = ["apply", "--catalogue", str(self.root), *options]
        return CliRunner().invoke(build(), arguments, env=dict(self.env))

    def changes(self, *options: str) -> dict[str, Any]:
        """What a successful run says it changed."""
        result = self.run("--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


def _renamed(text: str) -> str:
    for old, new in NAMES.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def applied(stack, tmp_path: Path) -> Applied:
    """The tiny catalogue under names that no other test has, not yet applied by this test."""
    root = tmp_path / "schemas"
    for file in (path for path in TINY.rglob("*") if path.is_file()):
        target = root / _renamed(file.relative_to(TINY).as_posix())
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_renamed(file.read_text()))
    return Applied(root, stack.env)
