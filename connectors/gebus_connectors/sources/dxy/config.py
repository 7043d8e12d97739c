"""What to read of DXY."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DxyConfig:
    """The files of DXY's three streams."""

    data: Path
    """The folder of the data sets."""
    party: str = "dxy"

    @property
    def counts(self) -> tuple[Path, Path]:
        """The changes of all days, and the whole tables of two days."""
        folder = self.data / "counts_dxy"
        return folder / "DXYArea_changes.csv", folder / "DXYArea_raw_0212_0213.csv"

    @property
    def news(self) -> Path:
        return self.data / "news_dxy" / "news.csv"

    @property
    def rumors(self) -> Path:
        return self.data / "rumors_dxy" / "rumor_events.csv"
