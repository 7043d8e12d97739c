"""Mobile numbers and registration plates."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers import phone, plate


@pytest.mark.parametrize(
    ("value", "use"),
    [
        ("13800000000", "public"),
        ("+8619900000000", "public"),
        ("17012345678", "virtual operator"),
        ("17400123456", "satellite"),
    ],
)
def test_a_mobile_number_is_its_form_of_e164(value: str, use: str) -> None:
    parts = phone.parse(value)
    assert (parts.e164, parts.use) == ("+86" + value.removeprefix("+86"), use)
    assert value[3:] not in repr(parts)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("", "its length"),
        ("1380000000", "its length"),
        ("8613800000000", "its length"),
        ("+8613800", "its length"),
        ("138 0000 0000", "character 4"),
        ("1380000000０", "character 11"),
        ("13800+00000", "character 6"),
        ("+85291234567", "characters 1 to 3, the country"),
        ("15412345678", "characters 1 to 3, the segment"),
        ("+8619412345678", "characters 4 to 6, the segment"),
        ("17406123456", "characters 1 to 3, the segment"),
        ("02787654321", "characters 1 to 3, the segment"),
    ],
)
def test_what_is_no_mobile_number_is_refused_at_its_place(value: str, where: str) -> None:
    with pytest.raises(IdentifierRefused) as caught:
        phone.parse(value)
    assert caught.value.where == where
    assert value not in str(caught.value) or not value


@given(st.integers())
def test_generated_numbers_and_plates_hold_and_their_masks_hide_them(seed: int) -> None:
    number, vehicle = phone.generate(Random(seed)), plate.generate(Random(seed))
    assert phone.parse(number).e164 == number
    assert phone.mask(number) == number[:-8] + "******" + number[-2:]
    assert plate.parse(vehicle).value == vehicle
    assert plate.mask(vehicle) == vehicle[:2] + "*" * len(vehicle[2:])
    assert (phone.mask(number[:-1]), plate.mask("苏")) == ("***", "***")


@pytest.mark.parametrize(
    ("value", "division", "drive"),
    [
        ("鄂A12345", "420000", "fuel"),
        ("京AF0236", "110000", "fuel"),
        ("沪A1234学", "310000", "fuel"),
        ("粤Z1234港", "440000", "fuel"),
        ("粤BD12345", "440000", "electric"),
        ("粤BDA2345", "440000", "electric"),
        ("京A12345D", "110000", "electric"),
        ("京AF12345", "110000", "hybrid"),
        ("新A12345K", "650000", "hybrid"),
    ],
)
def test_a_plate_says_its_province_and_whether_it_is_of_a_new_energy(value: str, division: str, drive: str) -> None:
    parts = plate.parse(value)
    assert (parts.division, parts.drive) == (division, drive)
    assert value not in repr(parts)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("", "character 1, the province"),
        ("A12345", "character 1, the province"),
        ("鄂", "character 2, the office"),
        ("鄂I12345", "character 2, the office"),
        ("鄂A1234", "the serial's length"),
        ("鄂A·12345", "characters 3 to 8, the serial"),
        ("鄂A1O345", "character 4"),
        ("鄂A1234a", "character 7"),
        ("鄂A1234港", "character 7"),
        ("鄂A123456", "characters 3 to 8, the serial"),
        ("鄂AL12345", "characters 3 to 8, the serial"),
    ],
)
def test_what_is_no_plate_is_refused_at_its_place(value: str, where: str) -> None:
    with pytest.raises(IdentifierRefused) as caught:
        plate.parse(value)
    assert caught.value.where == where
