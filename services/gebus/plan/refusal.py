"""Why a part of a feed cannot be planned: carried from where it is found to whoever knows file and line."""

from __future__ import annotations

from dataclasses import dataclass

from gebus.model.errors import Finding, PlanError
from gebus.model.feed import Feed

KeyPath = tuple[str | int, ...]
"""The keys and positions that lead to a value in its file, as in `("steps", 1, "where", "when")`."""


class Refusal(Exception):
    """`found` and `allowed` as in a Finding; `position` counts the characters of a condition from 1.

    `path` leads from the step to the part that is refused.
    """

    def __init__(
        self, found: str, allowed: str, next_step: str = "", *, position: int | None = None, path: KeyPath = ()
    ) -> None:
        self.found, self.allowed, self.next_step = found, allowed, next_step
        self.position, self.path = position, path
        super().__init__(found)


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal together with its place in the feed's file."""

    feed: Feed
    path: KeyPath
    step: str
    """The name of the step, or of the part of the feed."""
    refusal: Refusal

    @property
    def file(self) -> str:
        return f"feeds/{self.feed.consumer}/{self.feed.feed}.yaml"

    def as_finding(self, line: int) -> Finding:
        refusal = self.refusal
        at = "" if refusal.position is None else f", character {refusal.position}"
        found = f"{self.step}{at}: {refusal.found}"
        return Finding(self.file, line, "plan", found, refusal.allowed, refusal.next_step)

    def as_error(self) -> PlanError:
        refusal = self.refusal
        advice = f"; {refusal.next_step}" if refusal.next_step else ""
        problem = f"{refusal.found}; allowed: {refusal.allowed}{advice}"
        return PlanError(f"{self.feed.id}: {self.step}", problem, position=refusal.position)
