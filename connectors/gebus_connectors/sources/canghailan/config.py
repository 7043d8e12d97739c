"""What to read of canghailan's collection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CanghailanConfig:
    """The daily counts and the changes that were made to past days."""

    data: Path
    """The folder of the data sets."""
    party: str = "canghailan"

    @property
    def revisions(self) -> Path:
        return self.data / "counts_canghailan" / "revisions.csv"

    @property
    def daily(self) -> Path:
        return self.data / "counts_canghailan" / "daily_cn.csv"
