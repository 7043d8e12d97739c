"""The README's first feed, as a new user would do it: its files, then its commands, in a catalogue of their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.running_stack import RunningStack

ROOT = Path(__file__).parents[3]
GEBUS = Path(sys.executable).parent / "gebus"
_FILE = re.compile(r"^```\w+ (schemas/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the catalogue with the README's files in it."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "schemas", project / "schemas")
    written = _FILE.findall((ROOT / "README.md").read_text("utf-8"))
    assert len(written) == 5
    for name, text in written:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return project


def commands() -> list[str]:
    blocks = _COMMANDS.findall((ROOT / "README.md").read_text("utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.startswith("gebus ")]


def run(command: str, project: Path, **env: str) -> str:
    done = subprocess.run(
        [str(GEBUS), *command.split()[1:]],
        cwd=project,
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("name", ["check", "test", "explain"])
def test_what_needs_no_broker_does_what_the_readme_says(project: Path, name: str) -> None:
    (command,) = [command for command in commands() if command.split()[1] == name]
    said = run(command, project)
    if name == "test":
        assert "1 of 1 cases hold" in said
    if name == "explain":
        assert re.search(r"phone\s+stock.pharmacist_phone\s+keyed token", said)


def test_the_join_that_it_shows_is_that_of_the_catalogue() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    feed = (ROOT / "schemas/feeds/hanglv/contact-notices.yaml").read_text("utf-8").splitlines()
    assert set(shown.splitlines()) <= set(feed)
    assert "  - join:" in shown


@pytest.fixture
def lanes(stack: RunningStack, project: Path) -> Iterator[None]:
    """`gebus run lanes` of the README, in the background as there."""
    (command,) = [command for command in commands() if command.startswith("gebus run lanes")]
    run("gebus apply", project, **stack.env)
    workers = subprocess.Popen(
        [str(GEBUS), *command.removesuffix("&").split()[1:]], cwd=project, env={"PATH": "/usr/bin:/bin", **stack.env}
    )
    yield
    workers.terminate()
    assert workers.wait(timeout=20) == 0


@pytest.mark.usefixtures("lanes")
def test_what_is_published_arrives_masked(stack: RunningStack, project: Path) -> None:
    for command in commands():
        if command.startswith("gebus publish"):
            run(command, project, **stack.env)
    (consume,) = [command for command in commands() if command.startswith("gebus consume")]
    consume = consume.removesuffix(" --follow")
    said = ""
    for _ in range(30):  # each try reads to the end of the feed, which takes a while: no pause is needed between them
        said = run(consume + " --format jsonl", project, **stack.env)
        if said:
            break
    (record,) = [json.loads(line) for line in said.splitlines()]
    assert record["good"] == "mask"
    assert record["quantity"] == 40
    assert re.fullmatch(r"[0-9a-f]{32}", record["phone"])
    for command in commands()[-2:]:
        assert "supply.pharmacy_stock" in run(command, project, **stack.env)
