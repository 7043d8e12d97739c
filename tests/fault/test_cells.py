"""The kill matrix in its short form: a few thousand events a cell, several faults in one life."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fault.broker import FaultStack
from tests.fault.cells import IN_CI, SHORT
from tests.fault.stage import Stage

pytestmark = pytest.mark.stack
EVENTS, SEED = 2000, 1


@pytest.mark.parametrize("name", IN_CI)
def test_a_cell_is_clean(fault: FaultStack, tmp_path: Path, name: str) -> None:
    with Stage(fault, tmp_path / "schemas", f"ci{name.replace('-', '')}", EVENTS, SEED) as stage:
        IN_CI[name](stage, SHORT)
        assert stage.verdict(tmp_path / "history.jsonl.gz").anomalies == []
