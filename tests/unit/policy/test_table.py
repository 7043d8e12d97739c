"""The field policy as dated data: which line decides, and which lists are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gebus.catalogue.codes import parse_codes
from gebus.catalogue.yaml_file import parse_yaml
from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import PlanError
from gebus.model.event import Identifies
from gebus.policy import Policy
from gebus.testing.build import policy_list

SHIPPED = Path(__file__).parents[3] / "schemas" / "codes" / "field-policy.yaml"


def shipped() -> CodeList:
    document, findings = parse_yaml("codes/field-policy.yaml", SHIPPED.read_text("utf-8"))
    codes, more = parse_codes(document)
    assert not findings
    assert not more
    assert codes is not None
    return codes


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("identifies", ["direct", "quasi", "none"])
def test_the_shipped_policy(level: int, identifies: Identifies, tier: int) -> None:
    line = Policy.from_codes(shipped()).line(level, identifies, tier)
    action = None if line is None else line.action
    if level <= tier:
        assert action == "pass"
    elif level == tier + 1:
        assert action == {"direct": "token", "quasi": "generalise", "none": "mask"}[identifies]
    else:
        assert action is None, "what no line allows is dropped"


def test_every_shipped_line_names_its_source_and_its_day() -> None:
    for line in Policy.from_codes(shipped()).lines:
        assert line.source
        assert line.valid_from is not None


def test_the_day_chooses_the_line() -> None:
    before, after = policy_list([(2, "none", 1, "mask"), (2, "none", 1, "pass")]).entries
    turn = date(2021, 11, 1)
    codes = CodeList("field-policy", "a test", (replace(before, valid_to=turn), replace(after, valid_from=turn)))
    assert Policy.from_codes(codes, date(2021, 10, 31)).lines[0].action == "mask"
    assert Policy.from_codes(codes, turn).lines[0].action == "pass"
    assert [line.action for line in Policy.from_codes(codes).lines] == ["pass"], "without a day: what has no end"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": 5}, "level is 5; allowed: 1, 2, 3, 4"),
        ({"level": True}, "level is True; allowed: 1, 2, 3, 4"),
        ({"tier": 0}, "tier is 0; allowed: 1, 2, 3, 4"),
        ({"identifies": "maybe"}, "identifies is 'maybe'; allowed: direct, quasi, none, any"),
        ({"outcome": "hide"}, "outcome is 'hide'; allowed: pass, mask, token, generalise, drop"),
        ({"source": " "}, "has no source; name the law or standard that it follows"),
        ({"extra": 1}, "allowed: exactly identifies, level, mode, outcome, purpose, source, tier"),
    ],
)
def test_a_broken_line_is_refused(changes: dict[str, Any], message: str) -> None:
    entry = policy_list([(2, "none", 1, "mask")]).entries[0]
    broken = replace(entry, attributes={**entry.attributes, **changes})
    with pytest.raises(PlanError) as refused:
        Policy.from_codes(CodeList("field-policy", "a test", (broken,)))
    assert message in str(refused.value)
    assert "codes/field-policy.yaml: level-2.none.tier-1" in str(refused.value)


def test_a_case_decided_twice_is_refused() -> None:
    one, two = policy_list([(2, "none", 1, "mask"), (2, "any", 1, "pass")]).entries
    with pytest.raises(
        PlanError,
        match=r"decides level 2, none, tier 1, purpose any, mode any a second time, after level-2\.none",
    ):
        Policy.from_codes(CodeList("field-policy", "a test", (one, two)))


@pytest.mark.parametrize(("level", "tier"), [(0, 1), (5, 1), (1, 0), (1, 5)])
def test_an_unknown_level_or_tier_is_refused(level: int, tier: int) -> None:
    with pytest.raises(PlanError, match="the policy knows the levels 1 to 4 and the tiers 1 to 4"):
        Policy.from_codes(policy_list([])).line(level, "none", tier)


def test_an_entry_keeps_its_dates() -> None:
    entry = CodeEntry("c", date(2020, 1, 1), None, policy_list([(1, "any", 1, "pass")]).entries[0].attributes)
    assert Policy.from_codes(CodeList("field-policy", "a test", (entry,))).lines[0].valid_from == date(2020, 1, 1)
