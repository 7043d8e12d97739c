"""A catalogue whose events are encoded: that of the contract tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from gebus.catalogue import load
from gebus.model.catalogue import Catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load(Path(__file__).parents[2] / "contract" / "catalogue")
