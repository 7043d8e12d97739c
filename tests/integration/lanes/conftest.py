"""A contract of its own for each test, on the stack that all share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from tests.conftest import RunningStack
from tests.integration.lanes.joined import JoinBed, write_joined_catalogue
from tests.integration.lanes.kit import Bed, write_catalogue


@pytest.fixture
def make_bed(stack: RunningStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Bed]]:
    """A contract named after the test, applied."""
    made: list[Bed] = []

    def make(**options: int) -> Bed:
        domain = f"t{crc32(request.node.nodeid.encode())}"
        root = tmp_path / "schemas"
        write_catalogue(root, domain, **options)
        bed = Bed(stack, root, domain)
        bed.apply()
        made.append(bed)
        return bed

    yield make
    for bed in made:
        bed.close()


@pytest.fixture
def bed(make_bed: Callable[..., Bed]) -> Bed:
    return make_bed()


@pytest.fixture
def make_join_bed(
    stack: RunningStack, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., JoinBed]]:
    """Two contracts named after the test and a feed that joins them, applied."""
    made: list[JoinBed] = []

    def make(**join: str) -> JoinBed:
        domain = f"j{crc32(request.node.nodeid.encode())}"
        root = tmp_path / "schemas"
        write_joined_catalogue(root, domain, join=join)
        bed = JoinBed(stack, root, domain)
        bed.apply()
        made.append(bed)
        return bed

    yield make
    for bed in made:
        bed.close()
