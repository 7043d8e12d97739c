"""Lines for a purpose and a mode, the version of a policy, and how tokens are made."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from gebus.catalogue import load
from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import PlanError
from gebus.model.event import EventField, Mask
from gebus.policy import POLICY_LIST, TOKEN_LIST, Policy, decide
from gebus.testing.build import policy_list, token_rules

ROOT = Path(__file__).parents[3]
PHONE = EventField("phone", "string", 3, "direct", Mask("partial", first=3, last=4), None, None, "a phone")


def line(purpose: str, mode: str, outcome: str) -> CodeEntry:
    entry = policy_list([(3, "direct", 2, outcome)]).entries[0]
    given = {**entry.attributes, "purpose": purpose, "mode": mode}
    return replace(entry, code=f"{purpose}.{mode}.{outcome}", attributes=given)


def policy(*lines: CodeEntry) -> Policy:
    return Policy.from_codes(CodeList(POLICY_LIST, "a test", lines))


@pytest.mark.parametrize(
    ("purpose", "mode", "code"),
    [
        ("relief", "normal", "relief.any.token"),
        ("relief", "emergency", "relief.emergency.pass"),
        ("tracing", "normal", "any.any.drop"),
        ("tracing", "emergency", "any.emergency.mask"),
    ],
)
def test_the_purpose_comes_before_the_mode_and_both_before_any(
    purpose: str, mode: Literal["normal", "emergency"], code: str
) -> None:
    lines = [line("any", "any", "drop"), line("relief", "any", "token")]
    lines += [line("any", "emergency", "mask"), line("relief", "emergency", "pass")]
    for order in (lines, lines[::-1]):
        outcome = decide(PHONE, 2, policy(*order), purpose=purpose, mode=mode)
        assert outcome.line is not None
        assert outcome.line.code == code
        assert ("emergency" in outcome.reason) == (mode == "emergency")
        assert ("for relief" in outcome.reason) == (purpose == "relief")


def test_a_line_for_one_purpose_or_mode_says_nothing_of_another() -> None:
    only = policy(line("relief", "emergency", "pass"))
    assert not decide(PHONE, 2, only, purpose="relief", mode="normal").delivered
    assert not decide(PHONE, 2, only, purpose="tracing", mode="emergency").delivered
    assert decide(PHONE, 2, only, purpose="relief", mode="emergency").mask is None


def test_the_same_purpose_and_mode_are_decided_once() -> None:
    with pytest.raises(PlanError, match=r"purpose relief, mode emergency a second time, after relief\.emergency\.drop"):
        policy(line("relief", "emergency", "drop"), line("relief", "emergency", "pass"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "war"}, "mode is 'war'; allowed: normal, emergency, any"),
        ({"purpose": ""}, "purpose is ''; allowed: the purpose of a feed, or any"),
        ({"purpose": 7}, "purpose is 7; allowed: the purpose of a feed, or any"),
    ],
)
def test_a_broken_purpose_or_mode_is_refused(changes: dict[str, Any], message: str) -> None:
    entry = line("any", "any", "pass")
    with pytest.raises(PlanError, match=message):
        policy(replace(entry, attributes={**entry.attributes, **changes}))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(PlanError, match="the policy knows the modes normal and emergency"):
        policy().line(1, "none", 1, mode="war")  # type: ignore[arg-type]


def test_the_version_is_of_all_that_the_policy_decides_by() -> None:
    lists = {POLICY_LIST: policy_list([(1, "none", 1, "pass")]), TOKEN_LIST: token_rules("month")}
    version = Policy.of(lists).version
    assert len(version) == 16
    assert int(version, 16) >= 0
    assert version == Policy.of(dict(lists)).version
    others = [
        Policy.of({**lists, POLICY_LIST: policy_list([(1, "none", 1, "mask")])}),
        Policy.of({**lists, TOKEN_LIST: token_rules("day")}),
        Policy.of({POLICY_LIST: lists[POLICY_LIST]}),
    ]
    assert len({version, *(other.version for other in others)}) == 4


def test_without_a_policy_nothing_may_leave() -> None:
    with pytest.raises(PlanError, match="there is no policy, so no field may leave; write the list"):
        Policy.of({})


def test_a_purpose_has_its_own_rule_for_tokens_or_that_of_any() -> None:
    rules = [token_rules("year").entries[0], token_rules("day", "sm3", purpose="relief").entries[0]]
    whole = Policy.of({POLICY_LIST: policy_list([]), TOKEN_LIST: CodeList(TOKEN_LIST, "a test", tuple(rules))})
    relief, other = whole.token_rule("relief"), whole.token_rule("tracing")
    assert relief is not None
    assert relief.words == "keyed anew each day, HMAC-SM3"
    assert other is not None
    assert (other.period, other.hash) == ("year", "sha-256")
    assert Policy(()).token_rule("relief") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"period": "week"}, "period is 'week'; allowed: always, year, quarter, month, day"),
        ({"hash": "md5"}, "hash is 'md5'; allowed: sha-256, sm3"),
        ({"source": ""}, "has no source; name the law or standard that it follows"),
        ({"more": 1}, "allowed: exactly hash, period, source"),
    ],
)
def test_a_broken_rule_for_tokens_is_refused(changes: dict[str, Any], message: str) -> None:
    entry = token_rules().entries[0]
    broken = replace(entry, attributes={**entry.attributes, **changes})
    with pytest.raises(PlanError, match=message) as refused:
        Policy.of({POLICY_LIST: policy_list([]), TOKEN_LIST: CodeList(TOKEN_LIST, "a test", (broken,))})
    assert refused.value.place == "codes/token-rules.yaml: any"


def test_rules_are_dated() -> None:
    turn = date(2021, 1, 1)
    before, after = token_rules("year").entries[0], token_rules("month").entries[0]
    entries = (replace(before, valid_to=turn), replace(after, valid_from=turn))
    lists = {POLICY_LIST: policy_list([]), TOKEN_LIST: CodeList(TOKEN_LIST, "a test", entries)}
    periods = [Policy.of(lists, on).tokens[0].period for on in (date(2020, 12, 31), turn, None)]
    assert periods == ["year", "month", "month"]


def test_the_shipped_policy_is_whole() -> None:
    shipped = Policy.of(load(ROOT / "schemas").codes)
    assert all(part.source for part in (*shipped.lines, *shipped.tokens, *shipped.combinations))
    assert any(one.mode == "emergency" for one in shipped.lines)
    assert shipped.token_rule("anything") is not None
    assert {one.code for one in shipped.combinations} >= {"id-part-and-birth-date"}
