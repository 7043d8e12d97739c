"""Waiting longer after each failure, and never in step with others."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """The delays between attempts: doubling from `first` to `ceiling`, each cut by up to a half at random."""

    first: float
    ceiling: float
    random: random.Random = field(default_factory=random.SystemRandom)
    failures: int = 0

    def next(self) -> float:
        """The delay after one more failure."""
        delay = min(self.ceiling, self.first * float(2 ** min(self.failures, 30)))
        self.failures += 1
        return delay * self.random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """The last attempt went well."""
        self.failures = 0
