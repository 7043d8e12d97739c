"""Citizen ids of 18 characters and of 15 digits."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers import citizen_id, identifier_kinds

DAY = date(2020, 2, 1)
KNOWN = "11010519491231002X"
CHARACTERS = "0123456789X"


def completed(body: str) -> str:
    """Seventeen digits with the check of GB 11643 as domain 3.5 writes it: another formula than the one under test."""
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def refused(value: str, on: date = DAY) -> IdentifierRefused:
    with pytest.raises(IdentifierRefused) as caught:
        citizen_id.parse(value, on)
    assert value not in str(caught.value) or not value
    return caught.value


def test_the_parts_of_the_number_in_the_standard() -> None:
    parts = citizen_id.parse(KNOWN, DAY)
    assert (parts.division, parts.born, parts.order, parts.long) == ("110105", date(1949, 12, 31), 2, KNOWN)
    assert completed(KNOWN[:17]) == KNOWN
    assert KNOWN not in repr(parts)
    assert "1949" not in repr(parts)


@given(st.integers(), st.integers(0, 17), st.sampled_from(CHARACTERS))
def test_every_single_wrong_character_is_found(seed: int, place: int, wrong: str) -> None:
    value = citizen_id.generate(Random(seed), DAY)
    citizen_id.parse(value, DAY)
    assert completed(value[:17]) == value
    if value[place] != wrong:
        refused(value[:place] + wrong + value[place + 1 :])


@given(st.integers(), st.integers(0, 16))
def test_two_neighbours_that_changed_places_are_found(seed: int, place: int) -> None:
    value = citizen_id.generate(Random(seed), DAY)
    if value[place] != value[place + 1]:
        refused(value[:place] + value[place + 1] + value[place] + value[place + 2 :])


@given(st.text(max_size=20) | st.text("0123456789Xx", min_size=14, max_size=19))
def test_whatever_is_written_has_parts_or_a_reason(value: str) -> None:
    problem = identifier_kinds()["citizen-id"].problem(value, DAY)
    assert problem is None or (problem.where and problem.allowed)


@given(st.integers())
def test_what_the_second_opinion_accepts_is_accepted(seed: int) -> None:
    value = citizen_id.generate(Random(seed), DAY)
    if ric.is_valid(value):
        citizen_id.parse(value, DAY)
    assert ric.calc_check_digit(value) == value[17]


def test_who_was_registered_after_the_county_was_made_is_accepted() -> None:
    value = completed("11011219900101001")  # 通州区 has this code since 1997
    assert citizen_id.parse(value, DAY).division == "110112"
    assert not ric.is_valid(value)
    assert refused(value, date(1996, 12, 31)).where == "characters 1 to 6, the division"


def test_a_division_that_ended_before_the_birth_is_refused() -> None:
    reason = refused(completed("11010320150101001"))  # 崇文区 ended in 2010
    assert reason.found == "110103, which is no division of that time"
    assert refused(completed("99999920150101001")).found == "999999, which is no division"


def test_a_residence_permit_is_accepted_although_its_code_is_of_no_county() -> None:
    for code in ("810000", "820000", "830000"):
        assert citizen_id.parse(completed(f"{code}19700101001"), DAY).division == code


@pytest.mark.parametrize(
    ("digits", "found"),
    [
        ("19490231", "19490231, which is no day"),
        ("20200202", "2020-02-02, which is out of bounds"),
        ("17991231", "1799-12-31, which is out of bounds"),
        ("00000101", "00000101, which is no day"),
    ],
)
def test_a_birth_date_that_cannot_be_is_refused(digits: str, found: str) -> None:
    reason = refused(completed(f"110105{digits}001"))
    assert reason.where == "characters 7 to 14, the birth date"
    assert reason.found == found
    assert reason.allowed == "a day that exists, from 1800-01-01 to 2020-02-01"


def test_the_first_generation_has_fifteen_digits_and_no_check() -> None:
    parts = citizen_id.parse("110105491231002", DAY)
    assert (parts.born, parts.long) == (date(1949, 12, 31), KNOWN)
    assert citizen_id.parse("110105981231996", DAY).born == date(1898, 12, 31)
    assert refused("110105490231002").where == "characters 7 to 12, the birth date"


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("", "its length"),
        (KNOWN[:-1], "its length"),
        (KNOWN.lower(), "character 18"),
        ("1101051949123100２X", "character 17"),
        ("11010549123100X", "character 15"),
        ("X1010519491231002X", "character 1"),
    ],
)
def test_what_has_not_the_form_is_refused_at_its_place(value: str, where: str) -> None:
    assert refused(value).where == where


def test_a_mask_shows_the_province_and_never_the_last_four() -> None:
    assert citizen_id.mask(KNOWN) == "11****************"
    assert citizen_id.mask("110105491231002") == "11*************"
    assert citizen_id.mask("13800000000") == "***"
