"""The citizen identity number of GB 11643: 18 characters, or 15 digits of the first generation."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from stdnum.iso7064 import mod_11_2

from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers.division import Divisions
from gebus.model.identifiers.form import NO_FORM

KIND = "citizen-id"
EARLIEST = date(1800, 1, 1)
"""The orders 996 to 999 of a 15-digit number belong to those born in the 1800s (GB 11643-1989); none is older."""

_LONG = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_SHORT = re.compile(r"[0-9]{15}", re.ASCII)
_CENTENARIANS = 996
_RESIDENCE_PERMITS = {"810000", "820000", "830000"}
"""What a residence permit of a person from Hong Kong, Macao or Taiwan begins with (国办发〔2018〕81号): 830000 is in no
edition of GB/T 2260, and the other two hold for those born before they were."""


@dataclass(frozen=True, slots=True)
class CitizenId:
    """What a citizen id says. Its repr shows nothing of it: a log is not where it belongs."""

    value: str = field(repr=False)
    division: str = field(repr=False)
    born: date = field(repr=False)
    order: int = field(repr=False)
    """Odd for men, even for women; orders tell apart those born on one day in one place."""

    @property
    def long(self) -> str:
        """The 18 characters, also of a number of the first generation."""
        if len(self.value) == 18:
            return self.value
        return _checked(f"{self.division}{self.born:%Y%m%d}{self.order:03d}")


def parse(value: str, on: date, divisions: Divisions | None = None) -> CitizenId:
    """The parts of a citizen id; IdentifierRefused for what is none on the day `on`.

    Promised: of 18 characters, any one that is wrong is found, and any two neighbours that changed places; the birth
    date is a day that exists and not later than `on`; the division existed at some time from the birth to `on`, for the
    number is given where one is first registered, which may be years after the birth. (python-stdnum's `cn.ric`, whose
    check character is used here, wants the division at birth, and so refuses people who were registered later; nor
    does it know the first generation or residence permits.)
    Not promised: that the number was issued; that a wrong digit among 15 is found, for they have no check character.
    """
    if _SHORT.fullmatch(value):
        order = int(value[12:])
        digits, dated = ("18" if order >= _CENTENARIANS else "19") + value[6:12], "characters 7 to 12, the birth date"
    elif _LONG.fullmatch(value):
        order = int(value[14:17])
        digits, dated = value[6:14], "characters 7 to 14, the birth date"
    else:
        raise _wrong_form(value)
    born = _birth(digits, dated, on)
    _check_division(value[:6], born, on, divisions or Divisions.built_in())
    if len(value) == 18:
        expected = mod_11_2.calc_check_digit(value[:17])
        if value[17] != expected:
            where, found = "character 18, the check character", f"{value[17]}, where the others give {expected}"
            raise IdentifierRefused(KIND, where, found, "the character that the others give by GB 11643")
    return CitizenId(value, value[:6], born, order)


def mask(value: str) -> str:
    """The value as it may be shown: the province, then stars.

    Not the last four: beside a birth date, which many records hold, they show the person (domain 3.7).
    """
    return value[:2] + "*" * (len(value) - 2) if _LONG.fullmatch(value) or _SHORT.fullmatch(value) else NO_FORM


def generate(numbers: random.Random, on: date, divisions: Divisions | None = None) -> str:
    """An 18-character number of a person of up to 90 years, valid on `on`, a day from 1980 on, and later.

    Promised: the same state of `numbers`, day and divisions give the same number. Not promised: that nobody has it.
    """
    born = on - timedelta(days=numbers.randrange(90 * 365))
    counties = (divisions or Divisions.built_in()).counties(on)
    return _checked(f"{numbers.choice(counties)}{born:%Y%m%d}{numbers.randrange(1, 1000):03d}")


def _checked(body: str) -> str:
    return body + mod_11_2.calc_check_digit(body)


def _wrong_form(value: str) -> IdentifierRefused:
    allowed = "18 characters: 17 digits, then a digit or X; or the 15 digits of the first generation"
    if len(value) not in (15, 18):
        return IdentifierRefused(KIND, "its length", f"{len(value)} characters", allowed)
    place = next(place for place, one in enumerate(value) if not ("0" <= one <= "9"))
    return IdentifierRefused(KIND, f"character {place + 1}", repr(value[place]), allowed)


def _birth(digits: str, where: str, on: date) -> date:
    allowed = f"a day that exists, from {EARLIEST} to {on}"
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise IdentifierRefused(KIND, where, f"{digits}, which is no day", allowed) from None
    if not EARLIEST <= born <= on:
        raise IdentifierRefused(KIND, where, f"{born}, which is out of bounds", allowed)
    return born


def _check_division(code: str, born: date, on: date, divisions: Divisions) -> None:
    if code in _RESIDENCE_PERMITS or divisions.between(code, born, on):
        return
    where = "characters 1 to 6, the division"
    found = f"{code}, which is no division of that time" if code in divisions else f"{code}, which is no division"
    raise IdentifierRefused(KIND, where, found, "a division of GB/T 2260 at some time between the birth and that day")
