"""How much to invent, and from which seed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """What one party publishes to one topic."""

    party: str
    topic: str
    events: int = 200
    """Events with their repeats."""
    seed: int = 20200123
    begins: int = 1_580_486_400_000
    """The first `occurred_at`, UTC ms: 2020-02-01 00:00 in China."""
