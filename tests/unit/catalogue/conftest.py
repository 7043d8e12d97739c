"""A small valid catalogue, copied for each test, to be broken in one place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from gebus.catalogue import load
from gebus.model.errors import ContractError, Finding

TINY = Path(__file__).parent / "tiny"


@dataclass(frozen=True)
class Draft:
    """A catalogue that a test changes."""

    root: Path

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the one place where `old` stands."""
        path = self.root / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    def write(self, file: str, text: str | bytes) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def findings(self) -> tuple[Finding, ...]:
        """What loading finds; nothing for a valid catalogue."""
        try:
            load(self.root)
        except ContractError as error:
            return error.findings
        return ()

    def line(self, finding: Finding) -> str:
        """The text that a finding points at."""
        return (self.root / finding.file).read_text().splitlines()[finding.line - 1]


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    root = tmp_path / "schemas"
    shutil.copytree(TINY, root)
    return Draft(root)
