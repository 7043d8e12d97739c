"""Tariffs: what they charge, and what is refused before anything runs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.unit.usage.conftest import FREE, PRICE, codes, tariffs

from gebus.catalogue import Places, load
from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import PlanError
from gebus.usage import REVENUE_LIST, TARIFF_LIST, Tariffs, check

SHIPPED = Path(__file__).parents[3] / "schemas"
DAY = date(2026, 11, 1)


def test_an_amount_is_whole_fen_without_the_rest() -> None:
    line = tariffs(
        sale={**PRICE, "fen_per_1000_values": [5, 20, 0, 0], "most_fen_per_1000_values": [5, 25, 0, 0]}
    ).lines[0]
    assert line.amount(1000, (0, 0, 0, 0)) == 1000
    assert line.amount(0, (1000, 1000, 9, 9)) == 25
    assert line.amount(0, (399, 0, 0, 0)) == 1
    assert line.amount(0, (0, 0, 0, 0)) == 0


def test_an_emergency_has_its_own_tariff_whatever_the_purpose() -> None:
    both = tariffs(sale=PRICE, emergency={**FREE, "use": "emergency"})
    assert [both.at("sale", mode, DAY).use for mode in ("normal", "flood-1")] == ["commercial", "emergency"]
    assert tariffs(sale=PRICE).at("sale", "flood-1", DAY) is None
    assert both.at("other", "normal", DAY) is None


def test_a_line_holds_for_its_days() -> None:
    entries = (
        CodeEntry("sale", None, date(2026, 2, 1), {**PRICE, "fen_per_1000_records": 7}),
        CodeEntry("sale", date(2026, 2, 1), None, PRICE),
    )
    made = Tariffs.of({**codes({}, 5), TARIFF_LIST: CodeList(TARIFF_LIST, "x", entries)})
    assert [made.at("sale", "normal", date(2026, month, 1)).records for month in (1, 2)] == [7, 1000]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fen_per_1000_records": 1501}, "fen_per_1000_records is 1501; allowed: at most its ceiling, 1500"),
        (
            {"fen_per_1000_values": [0, 1, 0, 0]},
            r"fen_per_1000_values is \[0, 1, 0, 0\]; allowed: at most its ceiling, \[0, 0, 0, 0\]: lower it",
        ),
        ({"fen_per_1000_records": -1}, "is -1; allowed: a whole number of fen"),
        ({"fen_per_1000_records": 1.5}, "is 1.5; allowed: a whole number of fen"),
        ({"fen_per_1000_records": True}, "is True; allowed: a whole number of fen"),
        ({"fen_per_1000_values": [0, 0, 0]}, "allowed: 4 whole numbers of fen, one a class"),
        ({"use": "fun"}, "use is 'fun'; allowed: governance, welfare, emergency, commercial"),
        ({"charge": "gift"}, "charge is 'gift'; allowed: free, cost, price"),
        ({"charge": "free"}, "charge is free; allowed: price for commercial use"),
        ({"use": "welfare"}, "charge is price; allowed: free or cost for welfare use"),
        ({"use": "welfare", "charge": "free"}, "fen_per_1000_records is not 0 and the charge is free"),
        ({"source": " "}, "has no source; allowed: the decision or the audit"),
        ({"note": "x"}, "has .*note.*; allowed: exactly charge,"),
    ],
)
def test_a_line_that_breaks_a_rule_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        tariffs(sale={**PRICE, **changes})


def test_the_emergency_is_no_business() -> None:
    with pytest.raises(PlanError, match="use is commercial; allowed: emergency for the code emergency"):
        tariffs(emergency=PRICE)


@pytest.mark.parametrize(
    ("begin", "end", "given", "told"),
    [
        (None, date(2026, 1, 1), {}, "is a price, and for a part of its time no revenue is permitted"),
        (date(2026, 1, 2), None, {}, "begins or ends within a month; allowed: the first day of a month"),
        (None, None, {"permitted_fen": -1}, "permitted_fen is -1"),
        (None, None, {"more": 1}, "is not such a line"),
    ],
)
def test_what_is_sold_needs_a_bound_for_its_revenue(begin: Any, end: Any, given: dict[str, Any], told: str) -> None:
    line = CodeEntry("month", begin, end, {"permitted_fen": 5, "source": "x", **given})
    with pytest.raises(PlanError, match=told):
        Tariffs.of({**codes({"sale": PRICE}), REVENUE_LIST: CodeList(REVENUE_LIST, "x", (line,))})


def test_the_bounds_may_follow_each_other() -> None:
    spans = [(None, date(2026, 1, 1), 5), (date(2026, 1, 1), None, 6)]
    lines = tuple(CodeEntry("month", begin, end, {"permitted_fen": fen, "source": "x"}) for begin, end, fen in spans)
    made = Tariffs.of({**codes({"sale": PRICE}), REVENUE_LIST: CodeList(REVENUE_LIST, "x", lines)})
    assert [made.permitted_in(date(year, 1, 1)) for year in (2025, 2026)] == [5, 6]


def test_check_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "codes").mkdir()
    text = (
        (SHIPPED / "codes/tariffs.yaml").read_text().replace("fen_per_1000_records: 120", "fen_per_1000_records: 151")
    )
    (tmp_path / "codes/tariffs.yaml").write_text(text)
    catalogue = load(SHIPPED)
    entries = tuple(
        CodeEntry(one.code, one.valid_from, one.valid_to, {**one.attributes, "fen_per_1000_records": 151})
        if one.code == "product-development"
        else one
        for one in catalogue.codes[TARIFF_LIST].entries
    )
    catalogue.codes[TARIFF_LIST] = CodeList(TARIFF_LIST, "x", entries)
    (finding,) = check(catalogue, Places(tmp_path))
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "product-development" in one)
    assert (finding.file, finding.line, finding.rule) == ("codes/tariffs.yaml", line, "tariff")
    assert "at most its ceiling, 150" in finding.allowed


def test_every_purpose_of_the_shipped_feeds_has_a_tariff() -> None:
    catalogue = load(SHIPPED)
    made = Tariffs.of(catalogue.codes)
    assert {feed.purpose for feed in catalogue.feeds.values() if made.at(feed.purpose, "normal", DAY) is None} == set()
    assert check(catalogue, Places(SHIPPED)) == []
