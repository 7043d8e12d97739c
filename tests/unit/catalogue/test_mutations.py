"""Whatever stands in the files of a catalogue, loading ends with a catalogue or with findings."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import avro.schema
import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gebus import plan
from gebus.catalogue import Places, load
from gebus.model.errors import ContractError, Finding

TINY = Path(__file__).parent / "tiny"
PIECES = (
    *("null", "[]", "{}", "1", "-1", "true", '"x"', "'", '"', "{", "}", "[", "]", ":", ",", "\n", "- ", "#", "|", "\t"),
    *("&a ", "*a", "!x ", "---\n", "\x00", "\ud800", "1e999", "9" * 40, "type", "fields", "record", "array", "items"),
)
WORD = re.compile(r'"[^"]*"|[\w.-]+')


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(TINY, tmp_path_factory.mktemp("mutated") / "schemas"))


def mutated(text: str, rng: random.Random) -> str:
    """The text with a piece put in, taken out, doubled, or a word put in the place of another."""
    begin = rng.randrange(len(text))
    end = min(len(text), begin + rng.choice([1, 3, 10, 60]))
    if rng.random() < 0.5:
        words = list(WORD.finditer(text))
        word = rng.choice(words)
        return text[: word.start()] + rng.choice([rng.choice(PIECES), rng.choice(words)[0]]) + text[word.end() :]
    return text[:begin] + rng.choice(["", rng.choice(PIECES), text[begin:end] * 2]) + text[rng.choice([begin, end]) :]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_a_mutated_file_gives_findings_with_lines_or_a_catalogue_that_can_be_used(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    file = rng.choice(sorted(path for path in root.rglob("*") if path.is_file()))
    text = file.read_text()
    try:
        changed = text
        for _ in range(rng.randint(1, 3)):
            changed = mutated(changed, rng)
        file.write_bytes(changed.encode("utf-8", "surrogatepass"))
        assert all(finding.line >= 1 for finding in _findings(root))
    finally:
        file.write_text(text)


def _findings(root: Path) -> Sequence[Finding]:
    try:
        catalogue = load(root)
    except ContractError as error:
        return error.findings
    for schema in catalogue.events.values():
        fastavro.parse_schema(json.loads(json.dumps(schema.avro)))
        avro.schema.parse(json.dumps(schema.avro))
    return plan.check(catalogue, Places(root))
