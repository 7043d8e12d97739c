"""The check characters of a Unified Social Credit Code."""

from __future__ import annotations

import pytest

from gebus.catalogue.identifiers import uscc_problem

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize(
    "code", ["91350100M000100Y43", "91110000600037341L", "91440300708461136T", "11100000000013338W"]
)
def test_codes_that_were_issued_are_valid(code: str) -> None:
    assert uscc_problem(code) is None


@pytest.mark.parametrize("code", ["91350100M000100Y43", "11100000000013338W"])
def test_every_single_mistyped_character_is_found(code: str) -> None:
    for place, right in enumerate(code):
        for wrong in ALPHABET:
            if wrong != right:
                assert uscc_problem(code[:place] + wrong + code[place + 1 :]) is not None


def test_the_message_names_the_character_that_would_be_right() -> None:
    assert uscc_problem("91350100M000100Y44") == "ends in 4, its check character by GB 32100 is 3"


def test_a_wrong_organisation_code_is_found_although_the_whole_adds_up() -> None:
    problem = uscc_problem("91110000600037342" + _check_character("91110000600037342"))
    assert problem == "has the organisation code 600037342, whose check character by GB 11714 is 1"


def _check_character(body: str) -> str:
    total = sum(ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(body))
    return ALPHABET[(31 - total % 31) % 31]


@pytest.mark.parametrize("code", ["", "91350100M000100Y4", "91350100M000100Y4O", "91350100m000100y43"])
def test_what_has_not_the_form_is_refused(code: str) -> None:
    assert "18 characters" in str(uscc_problem(code))
