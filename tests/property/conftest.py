"""How long the property tests look, and the seed that repeats a run.

GEBUS_PROPERTY_SEED=<number> repeats a run; it is printed at the end of each. GEBUS_PROPERTY_SCALE=<number> multiplies
the examples: 1, the default, is about a minute for the folder, 30 a long look before a release.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings

SEED = int(os.environ.get("GEBUS_PROPERTY_SEED", random.SystemRandom().randrange(2**32)))
_SCALE = float(os.environ.get("GEBUS_PROPERTY_SCALE", "1"))


def looks(examples: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A property that is tried on so many examples, times the scale, from the seed of this run."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        chosen = settings(
            max_examples=max(1, int(examples * _SCALE)),
            deadline=None,
            database=None,
            print_blob=True,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        decorated: Callable[..., Any] = seed(SEED)(chosen(test))
        return decorated

    return decorate


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"property tests: GEBUS_PROPERTY_SEED={SEED} GEBUS_PROPERTY_SCALE={_SCALE:g}")
