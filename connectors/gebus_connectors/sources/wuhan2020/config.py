"""What to read of wuhan2020."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["hospital", "logistical", "donation", "clinic"]
"""The platform's forms; each has one file of changes."""


@dataclass(frozen=True, slots=True)
class Wuhan2020Config:
    """One form of the platform, and the party that publishes it."""

    data: Path
    """The folder of the data sets."""
    form: Form
    party: str

    @property
    def changes(self) -> Path:
        return self.data / "supply_wuhan2020" / f"{self.form}_changes.jsonl"

    @property
    def divisions(self) -> Path:
        return self.data / "counts_codes" / "ChinaAreaCode.csv"
