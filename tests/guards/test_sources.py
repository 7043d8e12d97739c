"""Rules that every source file keeps, each with a planted twin that shows the rule firing."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def too_long(text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{lines} lines; {LONGEST_FILE} at most: look for the idea that is missing"


def long_functions(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"line {node.lineno}: {node.name} has {lines} lines; {LONGEST_FUNCTION} at most"


def sleeps(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(time|asyncio)\.sleep\(|^from time import .*\bsleep\b", line):
            yield f"line {number}: wait for a condition instead of sleeping"


def unfinished(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|\bunimplemented!|\btodo!", line):
            yield f"line {number}: unfinished work does not ship"


def missing_docstring(text: str) -> Iterator[str]:
    if not (ast.get_docstring(ast.parse(text)) or "").strip(". "):
        yield "a module says in its first line what it is for"


def addresses(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if "://" in line and "http://maven.apache.org/POM/" not in line and "XMLSchema-instance" not in line:
            yield f"line {number}: a pin carries no address"


GUARDS: list[tuple[str, Callable[[str], Iterator[str]], list[str], str]] = [
    ("file length", too_long, ["*.py", "*.rs", "*.java"], "x = 1\n" * 401),
    (
        "function length",
        long_functions,
        ["services/**.py", "connectors/**.py"],
        "def f():\n" + "    x = 1\n" * 51,
    ),
    ("no sleep in tests", sleeps, ["tests/**.py", ":!tests/guards"], "    time.sleep(1)\n"),
    (
        "nothing unfinished",
        unfinished,
        ["services/**", "connectors/**", "tests/**.py", ":!tests/guards"],
        "# TODO later\n",
    ),
    ("module docstring", missing_docstring, ["services/**.py", "connectors/**.py"], "x = 1\n"),
    (
        "pins without address",
        addresses,
        ["constraints.txt", "requirements.in", "*.toml", "*pom.xml"],
        'url = "https://x"\n',
    ),
]


@pytest.mark.parametrize(
    ("offences", "patterns"), [(guard[1], guard[2]) for guard in GUARDS], ids=[guard[0] for guard in GUARDS]
)
def test_no_file_breaks_the_rule(offences: Callable[[str], Iterator[str]], patterns: list[str]) -> None:
    files = tracked(*patterns)
    assert files, "the guard looks at no file, so it guards nothing"
    found = [f"{path.relative_to(ROOT)}: {offence}" for path in files for offence in offences(path.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("offences", "planted"), [(guard[1], guard[3]) for guard in GUARDS], ids=[guard[0] for guard in GUARDS]
)
def test_the_rule_fires(offences: Callable[[str], Iterator[str]], planted: str) -> None:
    assert list(offences(planted))


def test_no_lock_file_is_tracked() -> None:
    assert not tracked("*uv.lock", "*Cargo.lock", "*package-lock.json", "*poetry.lock")


def test_no_real_data_is_tracked() -> None:
    """The data of ../shared/data is read by path; a copy in the repository would outlive its licence and trim."""
    heavy = [path for path in tracked() if path.stat().st_size > 300_000 and path.name != "constraints.txt"]
    assert not heavy
