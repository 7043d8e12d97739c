"""A contract of its own for each test, as for lanes."""

from tests.integration.lanes.conftest import bed, make_bed

__all__ = ["bed", "make_bed"]
