"""What to read of The Paper's collection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ThePaperConfig:
    """The table of notices."""

    data: Path
    """The folder of the data sets."""
    encoding: str = "gb18030"
    party: str = "thepaper"

    @property
    def notices(self) -> Path:
        return self.data / "counts_thepaper" / "data.csv"
