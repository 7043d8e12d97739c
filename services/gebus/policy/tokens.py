"""How tokens are made: for how long equal values have equal tokens, and by which hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from gebus.model.catalogue import CodeEntry
from gebus.policy.entries import broken, check_choice, check_keys, check_source

TOKEN_LIST = "token-rules"  # noqa: S105  (the name of a code list)
"""The code list that says so by purpose: `codes/token-rules.yaml`. Its codes are purposes, or `any`."""

Period = Literal["always", "year", "quarter", "month", "day"]
TokenHash = Literal["sha-256", "sm3"]


@dataclass(frozen=True, slots=True)
class TokenRule:
    """The tokens for one purpose, or for any that has no rule of its own.

    Promised: equal values of one consumer and purpose have equal tokens within a period of the log's time (UTC), so
    that a replay makes the same; across consumers, purposes and periods they cannot be compared. Not promised: the
    same once the secret behind the keys is known.
    """

    purpose: str
    period: Period
    hash: TokenHash
    source: str
    valid_from: date | None
    valid_to: date | None

    @property
    def words(self) -> str:
        lasting = "for good" if self.period == "always" else f"anew each {self.period}"
        return f"keyed {lasting}, HMAC-{self.hash.upper()}"


def token_rule_of(entry: CodeEntry) -> TokenRule:
    """The rule of an entry; PlanError for one that is incomplete."""
    given = entry.attributes
    check_keys(TOKEN_LIST, entry, {"period", "hash", "source"})
    check_choice(TOKEN_LIST, entry, "period", get_args(Period))
    check_choice(TOKEN_LIST, entry, "hash", get_args(TokenHash))
    if not entry.code:
        raise broken(TOKEN_LIST, entry.code, "has no purpose")
    source = check_source(TOKEN_LIST, entry)
    return TokenRule(entry.code, given["period"], given["hash"], source, entry.valid_from, entry.valid_to)
