"""The fault tests' own stack: they kill its broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fault.broker import FaultStack, fault_stack


@pytest.fixture(scope="package")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    with fault_stack(tmp_path_factory.mktemp("fault")) as stack:
        yield stack
