"""The field policy as dated data: one line for each classification, kind of identification and tier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import PlanError
from gebus.model.event import LEVELS, Identifies

POLICY_LIST = "field-policy"
"""The code list that holds the policy: `codes/field-policy.yaml`."""

TIERS = (1, 2, 3, 4)
"""1 the public, 2 organisations, 3 departments, 4 the authority in charge."""

Action = Literal["pass", "mask", "token", "generalise", "drop"]

_ATTRIBUTES = {"level", "identifies", "tier", "outcome", "source"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the policy. `identifies` is `any` where the line holds for every kind."""

    code: str
    level: int
    identifies: Identifies | Literal["any"]
    tier: int
    action: Action
    source: str
    """The law or standard that the line follows."""
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The lines that hold on one day; what no line allows is dropped."""

    lines: tuple[Line, ...]

    @classmethod
    def from_codes(cls, codes: CodeList, on: date | None = None) -> Policy:
        """The policy as it holds on the day `on`, or, without a day, its lines that have no end.

        PlanError for a line that is incomplete, knows another level, tier or outcome, or says the same as another.
        """
        entries = codes.entries if on is None else tuple(codes.at(on).values())
        lines = tuple(_line(entry) for entry in entries if on is not None or entry.valid_to is None)
        seen: dict[tuple[int, str, int], str] = {}
        for line in lines:
            for kind in get_args(Identifies) if line.identifies == "any" else (line.identifies,):
                earlier = seen.setdefault((line.level, kind, line.tier), line.code)
                if earlier != line.code:
                    raise _broken(
                        line.code,
                        f"decides level {line.level}, {kind}, tier {line.tier} a second time, "
                        f"after {earlier}; end one of the two before the other begins",
                    )
        return cls(lines)

    def line(self, level: int, identifies: Identifies, tier: int) -> Line | None:
        """The line that decides, or None: then the field is dropped."""
        if level not in LEVELS or tier not in TIERS:
            raise PlanError(f"level {level}, tier {tier}", "the policy knows the levels 1 to 4 and the tiers 1 to 4")
        return next(
            (
                line
                for line in self.lines
                if line.level == level and line.tier == tier and line.identifies in ("any", identifies)
            ),
            None,
        )


def _line(entry: CodeEntry) -> Line:
    given = entry.attributes
    if set(given) != _ATTRIBUTES:
        raise _broken(entry.code, f"has {_listed(given)}; allowed: exactly {_listed(_ATTRIBUTES)}")
    _choice(entry, "level", LEVELS)
    _choice(entry, "tier", TIERS)
    _choice(entry, "identifies", (*get_args(Identifies), "any"))
    _choice(entry, "outcome", get_args(Action))
    if not isinstance(given["source"], str) or not given["source"].strip():
        raise _broken(entry.code, "has no source; name the law or standard that it follows")
    return Line(
        code=entry.code,
        level=given["level"],
        identifies=given["identifies"],
        tier=given["tier"],
        action=given["outcome"],
        source=given["source"],
        valid_from=entry.valid_from,
        valid_to=entry.valid_to,
    )


def _choice(entry: CodeEntry, attribute: str, allowed: tuple[Any, ...]) -> None:
    value = entry.attributes[attribute]
    if isinstance(value, bool) or value not in allowed:
        raise _broken(entry.code, f"{attribute} is {value!r}; allowed: {', '.join(map(str, allowed))}")


def _broken(code: str, problem: str) -> PlanError:
    return PlanError(f"codes/{POLICY_LIST}.yaml: {code}", problem)


def _listed(words: Any) -> str:
    return ", ".join(sorted(words)) or "nothing"
