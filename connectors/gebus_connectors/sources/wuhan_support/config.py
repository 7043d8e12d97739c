"""What to read of wuhan-support."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WuhanSupportConfig:
    """The list of designated hospitals as it stood on one day."""

    data: Path
    """The folder of the data sets."""
    as_of: date = date(2020, 1, 29)
    """The day of the state that the list shows; its rows carry none."""
    party: str = "wuhan-support"

    @property
    def hospitals(self) -> Path:
        return self.data / "facilities_wuhan_support" / "designated_hospitals.csv"
