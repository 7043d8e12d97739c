"""What fields tell together that none of them tells alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gebus.model.catalogue import CodeList
from gebus.model.errors import PlanError
from gebus.model.event import EventField, Identifies, Mask
from gebus.policy import COMBINATION_LIST, POLICY_LIST, Policy, Shown, told_together
from gebus.testing.build import combination_list, policy_list

DATE = {"type": "int", "logicalType": "date"}
LAST_FOUR = Mask("partial", first=0, last=4)
ID_AND_BIRTH = {"citizen-id": "some", "birth-date": "day"}
QUASI = {"birth-date": "day", "sex": "some", "division": "county"}


def combinations(*parts: dict[str, str], up_to_tier: int = 4) -> Any:
    lists = {POLICY_LIST: policy_list([]), COMBINATION_LIST: combination_list(*parts, up_to_tier=up_to_tier)}
    return Policy.of(lists).combinations


def shown(tells: str | None, mask: Mask | None = None, identifies: Identifies = "quasi") -> Shown:
    avro = DATE if tells == "birth-date" else "string"
    return Shown(f"the {tells}", EventField("x", avro, 3, identifies, None, None, None, "", tells), mask)


def told(view: list[Shown], tier: int = 2, parts: dict[str, str] = ID_AND_BIRTH, up_to_tier: int = 4) -> list[str]:
    found = list(told_together(combinations(parts, up_to_tier=up_to_tier), tier, view))
    return [one.name for _, fields in found for one in fields]


def test_the_last_four_of_an_id_beside_a_birth_date_show_the_person() -> None:
    view = [shown("citizen-id", LAST_FOUR, "direct"), shown("birth-date"), shown("sex")]
    assert told(view) == ["the citizen-id", "the birth-date"]


@pytest.mark.parametrize(
    "mask", [Mask("partial"), Mask("token"), Mask("null"), Mask("fixed", value="x")], ids=lambda mask: mask.kind
)
def test_an_id_of_which_nothing_is_shown_tells_nothing(mask: Mask) -> None:
    assert told([shown("citizen-id", mask, "direct"), shown("birth-date")]) == []


@pytest.mark.parametrize(("unit", "found"), [("day", True), ("month", False), ("year", False)])
def test_a_birth_date_counts_as_finely_as_the_rule_says(unit: Any, found: bool) -> None:
    view = [shown("citizen-id", LAST_FOUR, "direct"), shown("birth-date", Mask("date", unit=unit))]
    assert bool(told(view)) is found


@pytest.mark.parametrize("kind", ["date", "instant"])
@pytest.mark.parametrize("finest", ["day", "month", "year"])
def test_a_date_counts_down_to_what_it_is_cut_to(kind: Any, finest: Any) -> None:
    order = ["day", "month", "year"]
    view = [shown("birth-date", Mask(kind, unit=finest)), shown("sex")]
    held = [unit for unit in order if told(view, parts={"birth-date": unit, "sex": "some"})]
    assert held == order[order.index(finest) :]


@pytest.mark.parametrize(
    ("mask", "finest"),
    [
        (None, "county"),
        (Mask("division", digits=9), "county"),
        (Mask("division", digits=6), "county"),
        (Mask("division", digits=4), "city"),
        (Mask("division", digits=2), "province"),
        (Mask("parent"), "county"),
        (Mask("partial", first=1), "county"),
    ],
)
def test_a_division_counts_as_finely_as_it_is_shown(mask: Mask | None, finest: str) -> None:
    order = ["county", "city", "province"]
    view = [shown("division", mask), shown("sex")]
    held = [level for level in order if told(view, parts={"division": level, "sex": "some"})]
    assert held == order[order.index(finest) :]


def test_bands_and_cells_show_some_of_a_value() -> None:
    for mask in (Mask("band", width=5), Mask("grid", width=3)):
        assert told([shown("place", mask), shown("sex")], parts={"place": "some", "sex": "clear"})
        assert not told([shown("place", mask), shown("sex")], parts={"place": "clear", "sex": "clear"})


def test_who_is_named_lawfully_is_named() -> None:
    assert told([shown("citizen-id", None, "direct"), shown("birth-date")]) == []
    quasi = [shown("birth-date"), shown("sex"), shown("division")]
    assert told([*quasi, shown("name", None, "direct")], parts=QUASI) == []
    assert told([*quasi, shown("name", Mask("token"), "direct")], parts=QUASI) != []


def test_another_identifier_in_clear_does_not_excuse_the_part_of_an_id() -> None:
    view = [shown("citizen-id", LAST_FOUR, "direct"), shown("birth-date"), shown("phone", None, "direct")]
    assert told(view) == ["the citizen-id", "the birth-date"]


def test_a_combination_holds_up_to_a_tier() -> None:
    quasi = [shown("birth-date"), shown("sex"), shown("division")]
    assert [bool(told(quasi, tier, QUASI, up_to_tier=2)) for tier in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": {"sex": "some"}}, "allowed: two kinds of fields or more"),
        ({"parts": "sex"}, "allowed: two kinds of fields or more"),
        ({"parts": {"sex": "some", "mood": "some"}}, "no field tells 'mood'; allowed: citizen-id, uscc"),
        ({"parts": {"sex": "some", "name": "hour"}}, "name is 'hour'; allowed: clear, some, day"),
        ({"up_to_tier": 5}, "up_to_tier is 5; allowed: 1, 2, 3, 4"),
        ({"source": ""}, "has no source"),
        ({"more": 1}, "allowed: exactly parts, source, up_to_tier"),
    ],
)
def test_a_broken_combination_is_refused(changes: dict[str, Any], message: str) -> None:
    entry = combination_list(ID_AND_BIRTH).entries[0]
    broken = CodeList(COMBINATION_LIST, "a test", (replace(entry, attributes={**entry.attributes, **changes}),))
    with pytest.raises(PlanError, match=message):
        Policy.of({POLICY_LIST: policy_list([]), COMBINATION_LIST: broken})
