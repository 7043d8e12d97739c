"""Statements: lines, totals, and what is given back of a month that earned too much."""

from __future__ import annotations

from datetime import date

from tests.unit.usage.conftest import FREE, PRICE, entry, tariffs

from gebus.usage import Entry, Statement, Tariffs, month_after, statement

PURPOSES = {"ditu/map": "sale", "ditu/care": "care", "jd/map": "sale"}
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
BOTH = tariffs(sale=PRICE, care=FREE)


def of(entries: list[Entry], month: date = NOVEMBER, party: str = "ditu", by: Tariffs = BOTH) -> Statement:
    return statement(party, month, entries, PURPOSES, by)


def test_a_month_after_december_is_january() -> None:
    assert month_after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert month_after(date(2026, 10, 1)) == NOVEMBER


def test_a_line_is_a_grant_in_a_mode_by_a_tariff_and_keeps_what_it_was_summed_from() -> None:
    entries = [
        entry("2026-11-01"),
        entry("2026-11-30", slice=1, first=7, last=9),
        entry("2026-11-02", grant="ditu/map#2"),
        entry("2026-11-02", feed="ditu/care"),
        entry("2026-11-02", mode="flood-1"),
        entry("2026-10-31", records=999),
        entry("2026-12-01", records=999),
        entry("2026-11-02", feed="jd/map", records=999),
    ]
    made = of(entries)
    assert [(line.grant, line.mode, line.metered.records, line.fen) for line in made.lines] == [
        ("ditu/care#1", "normal", 10, 0),
        ("ditu/map#1", "flood-1", 10, 0),
        ("ditu/map#1", "normal", 20, 20),
        ("ditu/map#2", "normal", 10, 10),
    ]
    assert made.lines[2].entries == tuple(entries[:2])
    assert (made.charged, made.deducted, made.total) == (30, 0, 30)
    assert made.lines[1].tariff is None, "no emergency tariff is there: metered, and not charged"


def test_the_rest_of_a_fen_is_left_out_once_a_line() -> None:
    cheap = tariffs(sale={**PRICE, "fen_per_1000_records": 1})
    made = of([entry(f"2026-11-{day:02d}", records=400) for day in range(1, 6)], by=cheap)
    assert made.total == 2


def test_what_was_earned_too_much_is_deducted_from_the_next_months() -> None:
    bound = tariffs(permitted=100, sale=PRICE)
    entries = [
        entry("2026-11-05", records=130), entry("2026-11-05", feed="jd/map", records=70),
        entry("2026-12-05", records=40), entry("2026-12-06", feed="jd/map", records=20),
        entry("2027-01-01", records=90),
    ]  # fmt: skip
    november, december, january = (
        [of(entries, month, party, bound) for party in ("ditu", "jd")]
        for month in (NOVEMBER, DECEMBER, date(2027, 1, 1))
    )
    assert [one.total for one in november] == [130, 70]
    assert november[0].period.excess == 100
    # 100 too much: the 60 of December are given back whole, and 40 in January.
    assert [(one.deducted, one.total) for one in december] == [(40, 0), (20, 0)]
    assert (december[0].period.carried, december[0].period.deducted) == (100, 60)
    assert [(one.deducted, one.total) for one in january] == [(40, 50), (0, 0)]


def test_what_is_free_or_at_cost_is_neither_revenue_nor_deducted_from() -> None:
    at_cost = {**PRICE, "use": "welfare", "charge": "cost"}
    bound = tariffs(permitted=5, sale=PRICE, care=at_cost)
    entries = [entry("2026-11-05", records=10), entry("2026-12-05", feed="ditu/care", records=9)]
    made = of(entries, DECEMBER, by=bound)
    assert (made.charged, made.deducted, made.total, made.period.charged) == (9, 0, 9, 0)


def test_a_party_without_use_has_an_empty_statement() -> None:
    made = of([], party="nobody")
    assert (made.lines, made.total) == ((), 0)
