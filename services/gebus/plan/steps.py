"""The steps of a feed that look at one record at a time, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gebus.plan.expression import Expression


@dataclass(frozen=True, slots=True)
class DeduplicatePlan:
    """Pass the first record of each key; `table` is the position in the lane's tables."""

    name: str
    table: int

    def to_json(self) -> dict[str, Any]:
        return {"kind": "deduplicate", "name": self.name, "table": self.table}


@dataclass(frozen=True, slots=True)
class WherePlan:
    """Pass the records for which `when` is true; `text` is the condition as it was written."""

    name: str
    text: str
    when: Expression

    def to_json(self) -> dict[str, Any]:
        return {"kind": "where", "name": self.name, "when": self.when.to_json()}


StepPlan = DeduplicatePlan | WherePlan
