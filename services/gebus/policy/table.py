"""The field policy as dated data: what is left of a field, by what it is, who gets it, what for, and in which mode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal, get_args

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import PlanError
from gebus.model.event import LEVELS, Identifies
from gebus.policy.combinations import COMBINATION_LIST, Combination, combination_of
from gebus.policy.entries import broken, check_choice, check_keys, check_source, in_force
from gebus.policy.tokens import TOKEN_LIST, TokenRule, token_rule_of

POLICY_LIST = "field-policy"
"""The code list that holds the policy: `codes/field-policy.yaml`."""

TIERS = (1, 2, 3, 4)
"""1 the public, 2 organisations, 3 departments, 4 the authority in charge."""

Action = Literal["pass", "mask", "token", "generalise", "drop"]
PolicyMode = Literal["normal", "emergency"]

_ATTRIBUTES = {"level", "identifies", "tier", "purpose", "mode", "outcome", "source"}
_Case = tuple[int, str, int, str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the policy. `any` stands for every kind of identification, every purpose, either mode."""

    code: str
    level: int
    identifies: Identifies | Literal["any"]
    tier: int
    purpose: str
    mode: PolicyMode | Literal["any"]
    action: Action
    source: str
    """The law or standard that the line follows."""
    valid_from: date | None
    valid_to: date | None

    @property
    def cases(self) -> Iterator[_Case]:
        """What the line decides: level, kind, tier, purpose and mode, of which the last two may be `any`."""
        for kind in get_args(Identifies) if self.identifies == "any" else (self.identifies,):
            yield self.level, kind, self.tier, self.purpose, self.mode


@dataclass(frozen=True, slots=True)
class Policy:
    """The lines that hold on one day, how tokens are made, and what is not shown together.

    What no line allows is dropped. A line for one purpose comes before one for any, and among these a line for one mode
    before one for any.
    """

    lines: tuple[Line, ...]
    tokens: tuple[TokenRule, ...] = ()
    combinations: tuple[Combination, ...] = ()

    @classmethod
    def of(cls, codes: Mapping[str, CodeList], on: date | None = None) -> Policy:
        """The policy of a catalogue as it holds on the day `on`, or, without a day, its entries that have no end.

        PlanError for an entry that is incomplete, says what nobody knows, or decides what another decides.
        """
        if POLICY_LIST not in codes:
            raise PlanError(f"codes/{POLICY_LIST}.yaml", "there is no policy, so no field may leave; write the list")
        whole = cls.from_codes(codes[POLICY_LIST], on)
        tokens = tuple(map(token_rule_of, in_force(codes.get(TOKEN_LIST), on)))
        combinations = tuple(map(combination_of, in_force(codes.get(COMBINATION_LIST), on)))
        return cls(whole.lines, tokens, combinations)

    @classmethod
    def from_codes(cls, codes: CodeList, on: date | None = None) -> Policy:
        """The same of the list of lines alone."""
        lines = tuple(map(_line, in_force(codes, on)))
        seen: dict[_Case, str] = {}
        for line in lines:
            for case in line.cases:
                earlier = seen.setdefault(case, line.code)
                if earlier != line.code:
                    level, kind, tier, purpose, mode = case
                    raise broken(
                        POLICY_LIST,
                        line.code,
                        f"decides level {level}, {kind}, tier {tier}, purpose {purpose}, mode {mode} a second time, "
                        f"after {earlier}; end one of the two before the other begins",
                    )
        return cls(lines)

    def line(
        self, level: int, identifies: Identifies, tier: int, purpose: str = "", mode: PolicyMode = "normal"
    ) -> Line | None:
        """The line that decides, or None: then the field is dropped."""
        if level not in LEVELS or tier not in TIERS:
            raise PlanError(f"level {level}, tier {tier}", "the policy knows the levels 1 to 4 and the tiers 1 to 4")
        if mode not in get_args(PolicyMode):
            raise PlanError(f"mode {mode}", "the policy knows the modes normal and emergency")
        cases = {case: line for line in self.lines for case in line.cases}
        order = ((purpose, mode), (purpose, "any"), ("any", mode), ("any", "any"))
        found = (cases.get((level, identifies, tier, *rest)) for rest in order)
        return next((line for line in found if line is not None), None)

    def token_rule(self, purpose: str) -> TokenRule | None:
        """How tokens for this purpose are made; None: nobody said, so there are none."""
        by_purpose = {rule.purpose: rule for rule in self.tokens}
        return by_purpose.get(purpose, by_purpose.get("any"))

    @property
    def version(self) -> str:
        """What tells this policy from every other: 16 hex digits of a digest of all that it decides by."""
        values = {part: [asdict(entry) for entry in getattr(self, part)] for part in self.__slots__}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(entry: CodeEntry) -> Line:
    given = entry.attributes
    check_keys(POLICY_LIST, entry, _ATTRIBUTES)
    check_choice(POLICY_LIST, entry, "level", LEVELS)
    check_choice(POLICY_LIST, entry, "tier", TIERS)
    check_choice(POLICY_LIST, entry, "identifies", (*get_args(Identifies), "any"))
    check_choice(POLICY_LIST, entry, "mode", (*get_args(PolicyMode), "any"))
    check_choice(POLICY_LIST, entry, "outcome", get_args(Action))
    if not isinstance(given["purpose"], str) or not given["purpose"]:
        raise broken(
            POLICY_LIST, entry.code, f"purpose is {given['purpose']!r}; allowed: the purpose of a feed, or any"
        )
    return Line(
        code=entry.code,
        level=given["level"],
        identifies=given["identifies"],
        tier=given["tier"],
        purpose=given["purpose"],
        mode=given["mode"],
        action=given["outcome"],
        source=check_source(POLICY_LIST, entry),
        valid_from=entry.valid_from,
        valid_to=entry.valid_to,
    )
