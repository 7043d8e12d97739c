"""Divisions valid at a date, and what came after them."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers import Divisions, division

DATA = Path(__file__).parents[4] / "shared" / "data"
EDITIONS = {2019: DATA / "counts_codes" / "ChinaAreaCode.csv", 2023: DATA / "admin_divisions" / "areas.csv"}
needs_editions = pytest.mark.skipif(
    not all(path.exists() for path in EDITIONS.values()), reason="the editions of GB/T 2260 are not on this machine"
)
STATISTICAL = {"620201", "632857", "460321", "460322", "460323"}
"""Codes of the bureau of statistics that are no divisions, beside the zones of 71 to 79."""


def edition(year: int) -> dict[str, str]:
    with EDITIONS[year].open(encoding="utf-8-sig") as lines:
        rows = {row["code"]: row["name"] for row in csv.DictReader(lines)}
    return {code: name for code, name in rows.items() if code not in STATISTICAL and not "71" <= code[4:] <= "79"}


@needs_editions
@pytest.mark.parametrize("year", [2019, 2023])
def test_every_code_of_an_edition_holds_at_its_end_under_its_name(year: int) -> None:
    codes = edition(year)
    assert len(codes) > 2800
    for code, name in codes.items():
        assert division.name_of(division.parse(code, date(year, 12, 31))) == name


@needs_editions
def test_what_the_later_edition_lacks_has_successors_in_it() -> None:
    later = edition(2023)
    gone = [code for code in edition(2019) if code not in later and not code.endswith("00")]
    assert len(gone) == 49
    for code in gone:
        if Divisions.built_in().at(code, date(2023, 12, 31)) is None:
            following = [entry.code for entry in Divisions.built_in().successors(code, date(2023, 12, 31))]
            assert following
            assert set(following) <= set(later)


def test_a_code_counts_to_the_end_of_its_last_year_and_then_names_its_successor() -> None:
    assert division.name_of(division.parse("110103", date(2010, 12, 31))) == "崇文区"
    with pytest.raises(IdentifierRefused) as caught:
        division.parse("110103", date(2011, 1, 1))
    assert caught.value.found == "110103 崇文区, which ended before 2011-01-01"
    assert caught.value.next_step == "after it: 110101 东城区"
    assert caught.value.where == "characters 1 to 6, the county"


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("330104", ["330102", "330114"]),
        ("110221", ["110114"]),
        ("110201", ["110114"]),
        ("341400", ["340100", "340200", "340500"]),
        ("460100", []),
    ],
)
def test_successors_are_followed_through_splits_and_other_names(code: str, after: list[str]) -> None:
    assert [entry.code for entry in Divisions.built_in().successors(code, date(2023, 1, 1))] == after


def test_a_code_that_changed_its_name_is_one_code() -> None:
    for year, name in ((2019, "桥东区"), (2020, "襄都区")):
        assert division.name_of(division.parse("130502", date(year, 6, 1))) == name


@pytest.mark.parametrize(
    ("value", "where", "found"),
    [
        ("42", "its form", "'42'"),
        ("4201060", "its form", "'4201060'"),
        ("42010６", "its form", "'42010６'"),
        ("999999", "characters 1 to 6, the county", "999999, which never was one"),
        ("130171", "characters 1 to 6, the county", "130171, which is of the statistical bureau alone"),
        ("659012", "characters 1 to 6, the county", "659012, which begins later"),
        ("420106000001", "characters 7 to 9, the street", "000"),
    ],
)
def test_what_is_none_is_refused_at_its_place(value: str, where: str, found: str) -> None:
    with pytest.raises(IdentifierRefused) as caught:
        division.parse(value, date(2020, 2, 1))
    assert (caught.value.where, caught.value.found) == (where, found)


@pytest.mark.parametrize("value", ["420106", "420106007", "420106007001", "420000", "420106000000"])
def test_six_nine_and_twelve_digits_are_known_by_their_county(value: str) -> None:
    assert division.parse(value, date(2020, 2, 1)).code == value[:6]


@given(st.integers(), st.dates(date(1985, 1, 1), date(2025, 1, 1)))
def test_what_is_generated_holds(seed: int, day: date) -> None:
    code = division.generate(Random(seed), day)
    assert division.parse(code, day).code == code


def test_a_list_of_ones_own_takes_the_place_of_the_built_in() -> None:
    ended = CodeEntry("990101", None, date(2020, 1, 1), {"zh": "甲区", "successors": "990102"})
    lasting = CodeEntry("990102", None, None, {"zh": "乙区", "successors": None})
    known = Divisions(CodeList("divisions", "invented", (ended, lasting)))
    assert division.parse("990101", date(2019, 12, 31), known) is ended
    with pytest.raises(IdentifierRefused) as caught:
        division.parse("990101", date(2020, 1, 1), known)
    assert caught.value.next_step == "after it: 990102 乙区"
    with pytest.raises(IdentifierRefused):
        division.parse("110101", date(2020, 1, 1), known)


def test_successors_that_name_each_other_come_to_an_end() -> None:
    ended = [CodeEntry(a, None, date(2020, 1, 1), {"successors": b}) for a, b in (("1", "2"), ("2", "1"), ("3", "3"))]
    assert Divisions(CodeList("divisions", "invented", tuple(ended))).successors("1", date(2021, 1, 1)) == ()


def test_a_mask_shows_the_province() -> None:
    assert division.mask("420106007") == "42*******"
    assert division.mask("4201") == "***"
