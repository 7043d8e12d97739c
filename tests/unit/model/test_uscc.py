"""The Unified Social Credit Code and the organisation code inside it."""

from __future__ import annotations

from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as second

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers import organisation, uscc

DAY = date(2020, 2, 1)
ISSUED = ["91350100M000100Y43", "91110000600037341L", "91440300708461136T", "11100000000013338W"]


@pytest.mark.parametrize("code", ISSUED)
def test_codes_that_were_issued_are_valid(code: str) -> None:
    parts = uscc.parse(code)
    assert (parts.division, parts.organisation) == (code[2:8], code[8:17])
    assert parts.authority in ("机构编制", "工商")
    assert second.is_valid(code)


@given(st.integers(), st.integers(0, 17), st.sampled_from(uscc.ALPHABET))
def test_every_single_wrong_character_is_found(seed: int, place: int, wrong: str) -> None:
    code = uscc.generate(Random(seed), DAY)
    uscc.parse(code)
    if code[place] != wrong:
        with pytest.raises(IdentifierRefused):
            uscc.parse(code[:place] + wrong + code[place + 1 :])


@given(st.integers())
def test_the_second_opinion_agrees_but_for_authorities_that_are_letters(seed: int) -> None:
    code = uscc.generate(Random(seed), DAY)
    assert second.is_valid(code) is code[0].isdigit()


def test_authorities_that_are_letters_are_accepted_and_one_that_the_standard_does_not_name_too() -> None:
    for first, authority in (("N", "农业"), ("A", "中央军委改革和编制办公室"), ("Y", "其他"), ("H", None)):
        assert uscc.parse(uscc.complete(f"{first}1420106", "MA4K0001")).authority == authority


def test_the_reason_names_the_character_that_would_be_right() -> None:
    with pytest.raises(IdentifierRefused, match="wrong in character 18, the check character") as caught:
        uscc.parse("91350100M000100Y44")
    assert caught.value.found == "4, where the others give 3"


def test_a_wrong_organisation_code_is_found_although_the_whole_adds_up() -> None:
    wrong = "91110000600037342"
    code = wrong + uscc.check_character(wrong)
    assert second.is_valid(code)  # the second opinion does not look inside
    with pytest.raises(IdentifierRefused) as caught:
        uscc.parse(code)
    right = f"1{uscc.check_character(wrong[:16] + '1')}"
    assert caught.value.where == "characters 17 and 18, the check characters"
    assert caught.value.found == f"{code[16:]}, where the others give {right}"
    assert uscc.parse(code[:16] + right)


def test_of_a_wrong_organisation_code_in_a_whole_that_was_right_one_character_is_told() -> None:
    with pytest.raises(IdentifierRefused) as caught:
        uscc.parse("91350100M000100Y53")
    assert caught.value.where == "character 17, the check character of the organisation code"
    assert caught.value.found == "5, where M000100Y gives 4"


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("", "its length"),
        ("91350100M000100Y4", "its length"),
        ("91350100M000100Y4O", "character 18"),
        ("91350100m000100y43", "character 9"),
        ("9135010０M000100Y43", "character 8"),
        ("9135A100M000100Y43", "characters 3 to 8, the division"),
    ],
)
def test_what_has_not_the_form_is_refused_at_its_place(code: str, where: str) -> None:
    with pytest.raises(IdentifierRefused) as caught:
        uscc.parse(code)
    assert caught.value.where == where


def test_an_organisation_code_is_checked_by_itself() -> None:
    organisation.check("M000100Y4")
    organisation.check("D2143569X")
    for wrong, where in (("M000100Y5", "check character"), ("M000100-Y", "form"), ("", "form")):
        with pytest.raises(IdentifierRefused, match=where):
            organisation.check(wrong)


@given(st.text("0123456789", min_size=8, max_size=8), st.integers(0, 7), st.sampled_from("0123456789"))
def test_a_wrong_digit_of_an_organisation_code_is_found(body: str, place: int, wrong: str) -> None:
    code = body + organisation.check_character(body)
    organisation.check(code)
    if wrong != body[place]:
        with pytest.raises(IdentifierRefused):
            organisation.check(code[:place] + wrong + code[place + 1 :])


def test_a_mask_shows_the_authority_and_its_division_alone() -> None:
    assert uscc.mask("91350100M000100Y43") == "91350100**********"
    assert uscc.mask("13800000000") == "***"
