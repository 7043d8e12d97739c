"""One catalogue and one ledger for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.lanes.kit import Bed, write_catalogue
from tests.integration.ledger.kit import LedgerBed
from tests.running_stack import RunningStack


@pytest.fixture(scope="module")
def ledger_bed(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerBed]:
    root = tmp_path_factory.mktemp("catalogue") / "schemas"
    write_catalogue(root, "ledgered")
    bed = Bed(stack, root, "ledgered")
    bed.apply()
    ledgered = LedgerBed(bed)
    yield ledgered
    ledgered.close()
    bed.close()
