"""The catalogue of the project, applied to the stack that all share, and its lanes at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.conftest import RunningStack
from tests.integration.processors.kit import Bed


@pytest.fixture(scope="module")
def bed(stack: RunningStack) -> Iterator[Bed]:
    """Each test takes divisions of its own; the group of the processor and its state are shared."""
    made = Bed(stack)
    done = made.gebus("apply")
    assert done.returncode == 0, done.stdout + done.stderr
    with made.lanes() as lanes:
        lanes.wait_for(" are live")
        with closing(made):
            yield made
