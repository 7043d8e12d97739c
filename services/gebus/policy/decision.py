"""One field of one feed: what the policy leaves of it, and what its author leaves of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gebus.model.errors import PlanError
from gebus.model.event import ENVELOPE, LEVELS, EventField, Mask
from gebus.policy.masks import describe, inapplicable, leaves_no_more
from gebus.policy.table import Line, Policy, PolicyMode

_DROP = Mask(kind="drop")
NULL = Mask(kind="null")
"""What stands in a record for a field that is not shown."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left of a field: `mask` is None where it passes in clear; `decided_by` and `reason` say why."""

    mask: Mask | None
    decided_by: Literal["envelope", "policy", "author", "both"]
    reason: str
    line: Line | None = None
    """The line of the policy that had a say, if one did."""

    @property
    def delivered(self) -> bool:
        """Whether the field is in the delivered record at all."""
        return self.mask is None or self.mask.kind != "drop"

    @property
    def words(self) -> str:
        return "in clear" if self.mask is None else describe(self.mask)


def decide(
    field: EventField,
    tier: int,
    policy: Policy,
    author: Mask | None = None,
    *,
    purpose: str = "",
    mode: PolicyMode = "normal",
) -> Outcome:
    """What a consumer of `tier` gets of `field` for `purpose` in `mode`, by the policy and the feed's author, who may
    have asked for a mask of their own.

    Promised: nothing that cannot be computed from what the policy leaves. An envelope field passes, for it is public
    to whoever may have the record. A level that is not 1 to 4 is refused.
    """
    if field.level not in LEVELS:
        raise PlanError(f"field {field.name}", f"its classification is {field.level}; allowed: 1, 2, 3, 4")
    if author is not None and (problem := inapplicable(author, field.plain_type)):
        raise PlanError(f"field {field.name}", problem)
    if field.name in ENVELOPE:
        outcome = Outcome(None, "envelope", "envelope: every consumer of the record gets it")
    else:
        outcome = _by_policy(field, policy.line(field.level, field.identifies, tier, purpose, mode), tier, mode)
    return outcome if author is None else combine(outcome, author)


def combine(policy: Outcome, author: Mask) -> Outcome:
    """The stricter of the policy's outcome and the author's mask.

    A mask is as strict as another if its result can be computed from the other's (`leaves_no_more`): drop, null and
    fixed are stricter than all, a coarser unit than a finer one. Where neither is, the value is always null, for only
    that tells no more than either.
    """
    wish = f"the feed's author chose: {describe(author)}"
    if policy.mask is None:
        return Outcome(author, "author", f"{wish}; the policy would pass it", policy.line)
    if policy.mask.kind == "drop":
        return policy
    if leaves_no_more(author, policy.mask):
        return Outcome(author, "author", f"{wish}; the policy alone: {policy.words}", policy.line)
    if leaves_no_more(policy.mask, author):
        return policy
    reason = f"{wish}; {policy.reason}; neither is the stricter, so nothing is told"
    return Outcome(NULL, "both", reason, policy.line)


def tells_no_more(one: Outcome, other: Outcome) -> bool:
    """Whether what `one` delivers can be computed from what `other` delivers, for every value."""
    return other.mask is None or (one.mask is not None and leaves_no_more(one.mask, other.mask))


def _by_policy(field: EventField, line: Line | None, tier: int, mode: PolicyMode) -> Outcome:
    case = f"level {field.level}, identifies {field.identifies}, tier {tier}"
    if mode != "normal":
        case += f", {mode}"
    if line is not None and line.purpose != "any":
        case += f", for {line.purpose}"
    if line is None:
        return Outcome(_DROP, "policy", f"{case}: no line of the policy allows it")
    reason = f"{case}: {line.action}"
    match line.action:
        case "pass":
            return Outcome(None, "policy", reason, line)
        case "drop":
            return Outcome(_DROP, "policy", reason, line)
        case "token":
            mask: Mask | None = Mask(kind="token")
        case "mask":
            mask = field.masked
        case "generalise":
            mask = field.generalised
    if mask is None:
        return Outcome(_DROP, "policy", f"{reason}, but the schema does not say how: dropped", line)
    if problem := inapplicable(mask, field.plain_type):
        return Outcome(_DROP, "policy", f"{reason}, but {problem}: dropped", line)
    return Outcome(mask, "policy", reason, line)
