"""What to read of dlunion's collection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FILES = ("data.1.29.csv", "data.1.30.update.csv", "data.1.30.csv")
"""The first state, what the next day added, and the state of that day: it repeats both."""


@dataclass(frozen=True, slots=True)
class DlunionConfig:
    """The tables in the order in which they were published."""

    data: Path
    """The folder of the data sets."""
    party: str = "dlunion"
    encoding: str = "gb18030"

    @property
    def tables(self) -> tuple[Path, ...]:
        return tuple(self.data / "trips_dlunion" / name for name in _FILES)
