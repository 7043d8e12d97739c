"""The errors of gebus.

    GebusError                  root: everything gebus raises on purpose
    |-- ContractError           the catalogue breaks a rule; carries every Finding, not only the first
    |-- EventRefused            one event does not fit its contract; names the field's path
    |-- IdentifierRefused       a text is no identifier of its kind; its message shows nothing of the text
    |-- ActRefused              an act on a grant or a mode breaks a rule of its state machine
    |-- PlanError               a feed cannot be compiled into a lane
    |-- Unavailable             a server does not answer; retriable
    |-- Denied                  a server answered, and said no to this principal
    |-- NotFound                a server answered, and has no such thing
    |-- Refused                 a server answered, and what it was given breaks one of its rules
    |-- StackError              the local Kafka or registry cannot be started, found or stopped
    `-- Stopped                 a worker or a slice gave up on purpose; nothing is lost

Messages name the thing, the place, what was found, what is allowed and what to do next. Code that
reacts to an error reads its attributes, never its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class GebusError(Exception):
    """Something went wrong that gebus foresaw; `retriable` says whether the same call may succeed later."""

    retriable: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One rule that one place of the catalogue breaks.

    `file` is relative to the catalogue's root, `line` counts from 1; `found`, `allowed` and `next_step` are
    sentences without a full stop.
    """

    file: str
    line: int
    rule: str
    found: str
    allowed: str
    next_step: str = ""

    def __str__(self) -> str:
        advice = f"; {self.next_step}" if self.next_step else ""
        return f"{self.file}:{self.line}: {self.found}; allowed: {self.allowed}{advice} [{self.rule}]"


class ContractError(GebusError):
    """The catalogue breaks at least one rule; `findings` holds all of them, sorted by place."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        super().__init__("\n".join(str(finding) for finding in self.findings))


class EventRefused(GebusError):
    """One event does not fit its topic contract; `path` names the field, as in `supplies[2].quantity`."""

    def __init__(self, topic: str, path: str, found: str, allowed: str) -> None:
        self.topic, self.path, self.found, self.allowed = topic, path, found, allowed
        super().__init__(f"{topic}: {path}: {found}; allowed: {allowed}")


class IdentifierRefused(GebusError):
    """A text is no identifier of its kind.

    `where` is the part of it, `allowed` what that part may be; both tell nothing of the text, and so does the message.
    `found` and `next_step` may: they are for those who may read it.
    """

    def __init__(self, kind: str, where: str, found: str, allowed: str, next_step: str = "") -> None:
        self.kind, self.where, self.found, self.allowed, self.next_step = kind, where, found, allowed, next_step
        super().__init__(f"no {kind}: wrong in {where}; allowed: {allowed}")


class ActRefused(GebusError):
    """Somebody may not do this to a grant or a mode, or not now; nothing was changed.

    `rule` is one word in kebab-case, `what` the grant or mode, `found`, `allowed` and `next_step` are as in a Finding.
    """

    def __init__(self, rule: str, what: str, found: str, allowed: str, next_step: str = "") -> None:
        self.rule, self.what, self.found, self.allowed, self.next_step = rule, what, found, allowed, next_step
        advice = f"; {next_step}" if next_step else ""
        super().__init__(f"{what}: {found}; allowed: {allowed}{advice} [{rule}]")


class PlanError(GebusError):
    """A feed cannot be compiled; `place` is the feed and step, `position` the offset in a condition or None."""

    def __init__(self, place: str, problem: str, *, position: int | None = None) -> None:
        self.place, self.problem, self.position = place, problem, position
        super().__init__(f"{place}: {problem}" if position is None else f"{place}: at {position}: {problem}")


class Unavailable(GebusError):
    """A server does not answer; the same call may succeed later."""

    retriable = True


class Denied(GebusError):
    """A server refused this principal: a wrong password, or an ACL that does not grant what was asked."""


class NotFound(GebusError):
    """A server answered that it has no topic, group, subject or schema of this name."""


class Refused(GebusError):
    """A server answered that what it was given breaks one of its rules: an incompatible schema, a bad setting."""


class StackError(GebusError):
    """The local Kafka or registry cannot be started, found or stopped."""


class Stopped(GebusError):
    """A worker or a slice gave up on purpose rather than go on wrongly; nothing is lost."""
