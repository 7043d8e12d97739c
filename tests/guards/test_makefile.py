"""A missing toolchain is told in words that say what to install."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("Makefile", "constraints.txt", "requirements.in"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "services/kernel").mkdir(parents=True)
    return tmp_path


def make(workspace: Path, *arguments: str, path: str = "/usr/bin:/bin") -> str:
    done = subprocess.run(
        ["/usr/bin/make", *arguments],
        cwd=workspace,
        env={"PATH": path, "HOME": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    return done.stdout


def test_without_python_the_message_names_it(workspace: Path) -> None:
    assert "gebus needs Python 3.11 as 'python-that-is-not-there': install it" in make(
        workspace, "setup", "PYTHON=python-that-is-not-there"
    )


def test_another_python_is_not_taken(workspace: Path) -> None:
    other = workspace / "python3.9"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    assert "is another version" in make(workspace, "setup", f"PYTHON={other}")


def test_without_rust_the_message_names_it(workspace: Path) -> None:
    (workspace / ".venv").mkdir()
    (workspace / ".venv/.deps").touch()
    tools = workspace / "tools"
    tools.mkdir()
    for tool in ("sh", "touch", "find"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    assert "install the stable toolchain (rustup) so that 'cargo' is on the PATH" in make(
        workspace, ".venv/.kernel", path=str(tools)
    )
