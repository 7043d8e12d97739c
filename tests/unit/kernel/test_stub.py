"""The stub tells the truth about the extension."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_names_and_parameters_are_those_of_the_extension(tmp_path: Path) -> None:
    # The module that maturin's package wraps has no stub of its own.
    allowed = tmp_path / "allowed"
    allowed.write_text("gebus_kernel.gebus_kernel\n")
    command = [sys.executable, "-m", "mypy.stubtest", "gebus_kernel", "--allowlist", str(allowed)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
