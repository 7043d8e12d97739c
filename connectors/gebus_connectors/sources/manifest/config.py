"""How many people to invent, and on which real runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ManifestConfig:
    """The lists of one party. Nobody in them is a person: ids are digests of the seed."""

    data: Path
    """The folder of the data sets."""
    party: str
    passengers: int = 12
    """Of each run; two of the crew are added."""
    others: int = 40
    """Runs of the timetable on which no case is known to have been."""
    seed: int = 20200123

    @property
    def stops(self) -> Path:
        return self.data / "trains_2019" / "via.csv"

    @property
    def routes(self) -> Path:
        return self.data / "flights_openflights" / "routes.dat"
