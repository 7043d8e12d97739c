"""A contract of its own for each test, on the stack that all share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from tests.conftest import RunningStack
from tests.integration.lanes.kit import Bed, write_catalogue


@pytest.fixture
def make_bed(stack: RunningStack, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Bed]:
    """A contract named after the test, applied."""

    def make(**options: int) -> Bed:
        domain = f"t{crc32(request.node.nodeid.encode())}"
        root = tmp_path / "schemas"
        write_catalogue(root, domain, **options)
        bed = Bed(stack, root, domain)
        bed.apply()
        return bed

    return make


@pytest.fixture
def bed(make_bed: Callable[..., Bed]) -> Bed:
    return make_bed()
