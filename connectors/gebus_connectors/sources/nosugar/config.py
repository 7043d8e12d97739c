"""What to read of the same-trip inquiry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NosugarConfig:
    """The inquiry's answer for all journeys."""

    data: Path
    """The folder of the data sets."""
    party: str = "nosugar"

    @property
    def trips(self) -> Path:
        return self.data / "trips_nosugar" / "transportation.json"
