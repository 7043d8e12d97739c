"""The contracts of the lanes' tests, with persons who act for their parties."""

from __future__ import annotations

import pytest
from tests.integration.lanes.conftest import bed, make_bed
from tests.integration.lanes.kit import Bed

__all__ = ["bed", "make_bed"]


@pytest.fixture
def staffed(bed: Bed) -> Bed:
    """The bed, with a person for each part."""
    for who, roles in (
        ("app@ditu", ["applicant"]),
        ("own@hubei-health", ["approver", "applicant"]),
        ("data@hubei-data", ["approver"]),
    ):
        done = bed.gebus("person", "add", who, *(part for role in roles for part in ("--role", role)))
        assert done.exit_code == 0, done.output
    return bed
