"""The arithmetic of statements: sums hold, and nobody pays less than nothing, whatever was used and permitted."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.property.conftest import looks
from tests.unit.usage.conftest import PRICE, codes

from gebus.usage import Entry, Metered, Tariffs, month_after, statement
from gebus.usage.statement import shares

PARTIES = ("a", "b", "c")
FEEDS = {f"{party}/{purpose}": purpose for party in PARTIES for purpose in ("sale", "cost", "none")}
FIRST = date(2026, 11, 1)
MONTHS = (FIRST, date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1))

counts = st.integers(0, 10**7)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    feed = draw(st.sampled_from(sorted(FEEDS)))
    fields = (draw(counts), draw(counts), draw(counts), draw(counts))
    day = FIRST + timedelta(days=draw(st.integers(0, 119)))
    mode = draw(st.sampled_from(["normal", "normal", "flood-1"]))
    return Entry(day, feed, draw(st.integers(0, 1)), f"{feed}#1", mode, Metered(1, draw(counts), 1, fields), 0, 0)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariffs:
    rate = st.integers(0, 5000)
    rates = {"fen_per_1000_records": draw(rate), "fen_per_1000_values": [draw(rate) for _ in range(4)]}
    bounds = {"most_fen_per_1000_records": 5000, "most_fen_per_1000_values": [5000] * 4}
    sale = {**PRICE, **rates, **bounds}
    cost = {**sale, "use": "welfare", "charge": "cost"}
    return Tariffs.of(codes({"sale": sale, "cost": cost}, draw(st.integers(0, 10**8))))


@looks(150)
@given(st.lists(entries(), max_size=25), tariffs())
def test_months_add_up(used: list[Entry], by: Tariffs) -> None:
    carried = excess = deducted = 0
    for month in MONTHS:
        made = [statement(party, month, used, FEEDS, by) for party in PARTIES]
        (period,) = {one.period for one in made}
        mine = [one for one in used if month <= one.day < month_after(month)]
        assert sum(line.metered.records for one in made for line in one.lines) == sum(e.metered.records for e in mine)
        parts = [part for one in made for line in one.lines for part in line.entries]
        assert sorted(parts, key=repr) == sorted(mine, key=repr)
        for one in made:
            assert sum(line.fen for line in one.lines) == one.charged
            assert one.charged - one.deducted == one.total
            sold = sum(line.fen for line in one.lines if line.tariff is not None and line.tariff.use == "commercial")
            assert 0 <= one.deducted <= sold
        assert sum(one.deducted for one in made) == period.deducted <= period.carried
        # What was taken too much and what was given back differ by what is still to be given back.
        assert period.carried == carried + excess - deducted
        assert period.revenue <= period.permitted + period.excess
        carried, excess, deducted = period.carried, period.excess, period.deducted


@looks(200)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**12), max_size=8), st.data())
def test_shares_add_up_and_none_is_more_than_its_charge(charges: dict[str, int], data: st.DataObject) -> None:
    whole = sum(charges.values())
    deducted = data.draw(st.integers(0, whole))
    made = shares(deducted, charges)
    assert sum(made.values()) == deducted
    assert all(0 <= made[party] <= charges[party] for party in made)
